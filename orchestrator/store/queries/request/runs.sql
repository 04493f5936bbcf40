SELECT DISTINCT runs.id FROM requests JOIN runs ON runs.number = requests.run ORDER BY runs.id
