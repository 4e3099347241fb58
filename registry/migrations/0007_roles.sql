-- The roles of a second-level node: what was 'enterprise' are the administrators of enterprises now.

ALTER TABLE accounts DROP CONSTRAINT accounts_role_check;
ALTER TABLE accounts DROP CONSTRAINT accounts_check;
ALTER TABLE accounts DROP CONSTRAINT accounts_check1;

UPDATE accounts SET role = 'enterprise_administrator' WHERE role = 'enterprise';

ALTER TABLE accounts
    ADD CONSTRAINT accounts_role_known CHECK (role IN (
        'administrator', 'reviewer', 'auditor', 'enterprise_administrator', 'enterprise_user', 'applicant', 'reader')),
    ADD CONSTRAINT accounts_of_an_enterprise CHECK (
        role NOT IN ('enterprise_administrator', 'enterprise_user') OR enterprise_id IS NOT NULL),
    ADD CONSTRAINT accounts_of_the_node CHECK (
        role NOT IN ('administrator', 'reviewer', 'auditor') OR enterprise_id IS NULL);
