-- Give every object of this database the number that follows from its name.
--
-- Postgres numbers objects from one counter of the whole cluster. So an OID would tell how much
-- other classes have been built before this one, a gap that something was built meanwhile, and a
-- database that is built again (a policy or schema changed) would number everything anew, though
-- clients keep OIDs of types and tables for as long as they are connected. Here an object's OID is
-- a function of its kind and its full name alone: the same in every class that sees it, in every
-- process, after every rebuild, and on every machine behind one balancer.
--
-- Run as superuser in a transaction of its own, after objects were made and before anything that
-- holds OIDs inside a stored expression (views) is made from them; again after the latter.
--
-- How. Catalogs are ordinary heap tables to a superuser. Postgres itself lists which of their
-- columns refer to which catalog (pg_get_catalog_foreign_keys(), PostgreSQL documentation, 9.26.9);
-- what that list leaves out, because the catalog referred to stands in another column, is named
-- below. Storage keeps its old file name, so these relations can be described but never scanned:
-- nothing does.

SET LOCAL allow_system_table_mods = on;

CREATE TABLE pg_catalog.pgv_number (
    class regclass NOT NULL, old oid NOT NULL, key text NOT NULL, new oid,
    PRIMARY KEY (class, old)
);

-- A function of the key: 2^24 to 2^31-1, above what the counter reaches and positive as a signed
-- number. `attempt` counts collisions; odd numbers make Postgres compare labels by their order.
CREATE FUNCTION pg_catalog.pgv_number_of(key text, attempt int) RETURNS oid
    LANGUAGE sql IMMUTABLE AS $$
    SELECT (16777217 + 2 * (('x' || left(encode(sha256(convert_to(
        attempt || ':' || key, 'UTF8')), 'hex'), 8))::bit(32)::bigint % 1065353215))::oid $$;

DO $renumber$
DECLARE
    own CONSTANT oid[] := ARRAY['pg_catalog.pgv_number'::regclass::oid,
        'pg_catalog.pgv_number_pkey'::regclass,
        (SELECT reltoastrelid FROM pg_class WHERE oid = 'pg_catalog.pgv_number'::regclass),
        (SELECT i.indexrelid FROM pg_index i JOIN pg_class c ON i.indrelid = c.reltoastrelid
         WHERE c.oid = 'pg_catalog.pgv_number'::regclass)];
    catalog regclass;
    reference record;
    vector text;
BEGIN
    -- What is there, by a name that holds no number.
    FOR catalog IN
        SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r'
          AND NOT c.relisshared AND a.attname = 'oid' AND a.attnum > 0
          AND c.relname NOT IN ('pg_enum', 'pg_largeobject_metadata', 'pg_trigger')
          AND c.oid < 16384
    LOOP
        EXECUTE format(
            'INSERT INTO pg_catalog.pgv_number
             SELECT %1$L::regclass, o.oid, i.type || '' '' || i.identity
             FROM %1$s o, pg_identify_object(%1$L::regclass, o.oid, 0) i
             WHERE o.oid BETWEEN 16384 AND 16777216
             UNION ALL SELECT %1$L::regclass, o.oid, '''' FROM %1$s o WHERE o.oid > 16777216',
            catalog);
    END LOOP;
    DELETE FROM pg_catalog.pgv_number
        WHERE old = ANY (own) OR key ~ ' pg_catalog\.pgv_number(_pkey|_of\(.*|\[\])?$'
           OR key ~ ' on pg_catalog\.pgv_number$';
    INSERT INTO pg_catalog.pgv_number
        SELECT 'pg_enum'::regclass, e.oid, 'label ' || e.enumtypid::regtype || '.' || e.enumlabel
        FROM pg_enum e WHERE e.oid BETWEEN 16384 AND 16777216
        UNION ALL SELECT 'pg_enum'::regclass, oid, '' FROM pg_enum WHERE oid > 16777216;
    INSERT INTO pg_catalog.pgv_number
        SELECT 'pg_trigger'::regclass, t.oid,
               concat_ws(' ', 'trigger of', k.key, t.tgfoid::regproc, t.tgrelid::regclass)
        FROM pg_trigger t JOIN pg_catalog.pgv_number k
          ON k.class = 'pg_constraint'::regclass AND k.old = t.tgconstraint
        WHERE t.oid <= 16777216
        UNION ALL SELECT 'pg_trigger'::regclass, oid, '' FROM pg_trigger WHERE oid > 16777216;
    UPDATE pg_catalog.pgv_number SET new = old WHERE old > 16777216;
    UPDATE pg_catalog.pgv_number t SET key = 'toast of ' || o.key
        FROM pg_class c JOIN pg_catalog.pgv_number o
          ON o.class = 'pg_class'::regclass AND o.old = c.oid
        WHERE t.class = 'pg_class'::regclass AND t.old = c.reltoastrelid;
    UPDATE pg_catalog.pgv_number t SET key = 'index of ' || o.key
        FROM pg_index i JOIN pg_catalog.pgv_number o
          ON o.class = 'pg_class'::regclass AND o.old = i.indrelid
        WHERE t.class = 'pg_class'::regclass AND t.old = i.indexrelid AND o.key ~ '^toast of ';

    ANALYZE pg_catalog.pgv_number;

    -- What is numbered already stays; of two that meet at a number, the later name moves on.
    FOR attempt IN 0 .. 15 LOOP
        UPDATE pg_catalog.pgv_number n SET new = wanted.number
        FROM (SELECT DISTINCT ON (class, number) class, old, number
              FROM (SELECT class, old, key, pg_catalog.pgv_number_of(key, attempt) AS number
                    FROM pg_catalog.pgv_number WHERE new IS NULL) candidate
              ORDER BY class, number, key) wanted
        WHERE n.class = wanted.class AND n.old = wanted.old
          -- Two conditions, not one with OR: each becomes a hash join.
          AND NOT EXISTS (SELECT FROM pg_catalog.pgv_number taken
                          WHERE taken.class = n.class AND taken.new = wanted.number)
          AND NOT EXISTS (SELECT FROM pg_catalog.pgv_number taken
                          WHERE taken.class = n.class AND taken.old = wanted.number);
        EXIT WHEN NOT EXISTS (SELECT FROM pg_catalog.pgv_number WHERE new IS NULL);
    END LOOP;
    DELETE FROM pg_catalog.pgv_number WHERE new = old;
    ANALYZE pg_catalog.pgv_number;

    -- Who refers to them. Numbers are compared as oid with oid: to find an operator for regclass
    -- Postgres looks at every `=`, an extension's included, whose types are being renumbered.
    FOR reference IN
        SELECT k.fktable, k.fkcols[1] AS name, k.pktable, k.is_array, a.atttypid
        FROM pg_get_catalog_foreign_keys() k
        JOIN pg_attribute a ON a.attrelid = k.fktable AND a.attname = k.fkcols[1]
        WHERE k.pkcols = '{oid}'
          AND EXISTS (SELECT FROM pg_catalog.pgv_number n WHERE n.class = k.pktable)
    LOOP
        IF NOT reference.is_array THEN
            EXECUTE format(
                'UPDATE %1$s f SET %2$I = n.new FROM pg_catalog.pgv_number n
                 WHERE n.class::oid = %3$L::regclass::oid AND f.%2$I::oid = n.old',
                reference.fktable, reference.name, reference.pktable);
            CONTINUE;
        END IF;
        vector := CASE WHEN reference.atttypid = 'oidvector'::regtype::oid
            THEN 'string_agg(coalesce(n.new, u.one)::text, '' '' ORDER BY u.place)::oidvector'
            ELSE 'array_agg(coalesce(n.new, u.one) ORDER BY u.place)' END;
        EXECUTE format(
            'UPDATE %1$s f SET %2$I = (
                 SELECT %4$s FROM unnest(f.%2$I) WITH ORDINALITY u(one, place)
                 LEFT JOIN pg_catalog.pgv_number n ON n.class::oid = %3$L::regclass::oid AND n.old = u.one::oid)
             WHERE EXISTS (SELECT FROM unnest(f.%2$I) u(one) JOIN pg_catalog.pgv_number n
                           ON n.class::oid = %3$L::regclass::oid AND n.old = u.one::oid)',
            reference.fktable, reference.name, reference.pktable, vector);
    END LOOP;
    UPDATE pg_depend d SET objid = n.new FROM pg_catalog.pgv_number n
        WHERE d.classid = n.class::oid AND d.objid = n.old;
    UPDATE pg_depend d SET refobjid = n.new FROM pg_catalog.pgv_number n
        WHERE d.refclassid = n.class::oid AND d.refobjid = n.old;
    UPDATE pg_shdepend d SET objid = n.new FROM pg_catalog.pgv_number n
        WHERE d.classid = n.class::oid AND d.objid = n.old
          AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_catalog);
    UPDATE pg_description d SET objoid = n.new FROM pg_catalog.pgv_number n
        WHERE d.classoid = n.class::oid AND d.objoid = n.old;
    UPDATE pg_init_privs d SET objoid = n.new FROM pg_catalog.pgv_number n
        WHERE d.classoid = n.class::oid AND d.objoid = n.old;

    -- Themselves, and names that hold a number.
    FOR catalog IN SELECT DISTINCT class FROM pg_catalog.pgv_number LOOP
        EXECUTE format('UPDATE %1$s o SET oid = n.new FROM pg_catalog.pgv_number n
                        WHERE n.class::oid = %1$L::regclass::oid AND o.oid = n.old', catalog);
    END LOOP;
    -- As a fresh relation has it; transactions that went before are other classes' business.
    UPDATE pg_class c SET relfrozenxid = s.relfrozenxid, relminmxid = s.relminmxid
        FROM pg_class s
        WHERE s.oid = 'pg_class'::regclass::oid AND c.oid >= 16384 AND c.relfrozenxid <> '0'
          AND c.relfrozenxid <> s.relfrozenxid;
    UPDATE pg_class c SET relfilenode = c.oid
        FROM pg_catalog.pgv_number n
        WHERE n.class::oid = 'pg_class'::regclass::oid AND n.new = c.oid AND c.relfilenode <> 0;
    UPDATE pg_class t SET relname = 'pg_toast_' || c.oid FROM pg_class c
        WHERE c.reltoastrelid = t.oid AND t.oid >= 16384 AND t.relname <> 'pg_toast_' || c.oid;
    UPDATE pg_class x SET relname = t.relname || '_index'
        FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
        WHERE x.oid = i.indexrelid AND t.relkind = 't' AND x.oid >= 16384
          AND x.relname <> t.relname || '_index';
    UPDATE pg_trigger SET tgname = regexp_replace(tgname, '[0-9]+$', oid::text)
        WHERE tgisinternal AND tgname ~ '^RI_ConstraintTrigger_[ac]_[0-9]+$';
END
$renumber$;

DROP FUNCTION pg_catalog.pgv_number_of(text, int);
DROP TABLE pg_catalog.pgv_number;
