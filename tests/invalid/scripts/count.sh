wc -l "$IN_customers"
