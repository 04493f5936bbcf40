SELECT models.name, models.created_at_us, coalesce(max(model_versions.version), 0)
FROM models LEFT JOIN model_versions ON model_versions.model = models.id
GROUP BY models.id ORDER BY models.name
