SELECT name::text, coalesce(reset_val, setting)::text FROM pg_settings
WHERE name IN ('server_version', 'fsync', 'full_page_writes', 'synchronous_commit')
