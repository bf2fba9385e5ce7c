-- Logins (access tokens of people, service accounts), their secrets, claims kept by the operator,
-- and the history of policy loads.

-- One row: what the SCRAM answers for names that do not exist are derived from.
CREATE TABLE sallyport.installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    mock_key bytea NOT NULL CHECK (octet_length(mock_key) = 32)
);

CREATE TABLE sallyport.login (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('token', 'service')),
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    subject text NOT NULL,
    -- JSON as text: what a verified token's payload would say; numerics keep every digit.
    payload text NOT NULL,
    -- NULL: no restriction.
    sources text[] CHECK (cardinality(sources) > 0),
    networks cidr[] CHECK (cardinality(networks) > 0),
    purpose text NOT NULL,
    -- All secrets of a login share it: the client learns it before it says which secret it has.
    salt bytea NOT NULL CHECK (octet_length(salt) >= 16),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_by text,
    last_used_at timestamptz,
    last_used_from inet,
    UNIQUE (kind, name)
);

CREATE TABLE sallyport.secret (
    id text PRIMARY KEY,
    login_id bigint NOT NULL REFERENCES sallyport.login,
    -- As in pg_authid.rolpassword, and SHA-256 of the whole text.
    verifier text NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX secret_of_login ON sallyport.secret (login_id);

CREATE TABLE sallyport.claim (
    subject text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    set_by text NOT NULL,
    PRIMARY KEY (subject, name)
);

CREATE TABLE sallyport.policy_load (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    host text NOT NULL,
    version_before text NOT NULL,
    version_after text NOT NULL,
    is_accepted boolean NOT NULL,
    reason text NOT NULL,
    -- SHA-256 over the files' names and contents, whether they load or not.
    digest text NOT NULL,
    -- [{"path", "sha256", "bytes", "owner", "modified_at", "change"}]
    files text NOT NULL
);

-- Whatever narrows or ends a login is told to every gate at once, also when an operator does it by hand.
CREATE FUNCTION sallyport.tell_login() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('sallyport_login', NEW.id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_login
    AFTER UPDATE OF subject, payload, sources, networks, expires_at, revoked_at ON sallyport.login
    FOR EACH ROW EXECUTE FUNCTION sallyport.tell_login();

CREATE FUNCTION sallyport.tell_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('sallyport_login', OLD.login_id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_secret
    AFTER UPDATE OF expires_at, revoked_at OR DELETE ON sallyport.secret
    FOR EACH ROW EXECUTE FUNCTION sallyport.tell_secret();

-- One row for one piece of news, however many processes bring it. Each statement of the function sees
-- what was committed before it, so the comparison holds under the lock.
CREATE FUNCTION sallyport.note_policy(
    host text, version_before text, version_after text, is_accepted boolean, reason text,
    digest text, files text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last sallyport.policy_load;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sallyport.policy_load'));
    SELECT * INTO last FROM sallyport.policy_load ORDER BY id DESC LIMIT 1;
    IF last.id IS NULL OR (last.version_after, last.is_accepted, last.reason, last.digest)
        IS DISTINCT FROM ($3, $4, $5, $6)
    THEN
        INSERT INTO sallyport.policy_load
            (host, version_before, version_after, is_accepted, reason, digest, files)
        VALUES ($1, $2, $3, $4, $5, $6, $7);
    END IF;
END $$;
