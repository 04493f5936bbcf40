SELECT models.name, models.created_at_us, coalesce(max(version_records.version), 0)
FROM models LEFT JOIN version_records ON version_records.model = models.id AND version_records.is_deleted = 0
WHERE models.is_deleted = 0
GROUP BY models.id ORDER BY models.name
