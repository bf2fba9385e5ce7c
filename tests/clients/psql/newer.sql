-- Parameters and a counted watch, as psql 16 has them.
\pset pager off
\echo == bind
SELECT $1::int + $2::int AS sum \bind 1 2 \g
SELECT title FROM app.posts WHERE id = $1 \bind 3 \g
\echo == watch
SELECT count(*) FROM app.labels \watch c=2 i=0.1
\echo == end
