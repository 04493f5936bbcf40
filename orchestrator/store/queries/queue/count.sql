SELECT count(*) FROM queue JOIN runs ON runs.number = queue.run WHERE runs.status = 'queued'
