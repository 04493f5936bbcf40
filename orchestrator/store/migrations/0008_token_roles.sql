-- Roles that its bearer has among people, as manual triggers name them.
ALTER TABLE tokens ADD COLUMN roles TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(roles));
