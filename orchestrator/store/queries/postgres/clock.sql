SELECT clock_us()
