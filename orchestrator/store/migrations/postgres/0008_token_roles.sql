-- Roles that its bearer has among people, as manual triggers name them.
ALTER TABLE tokens ADD COLUMN roles text NOT NULL DEFAULT '[]' CHECK (roles::json IS NOT NULL);
