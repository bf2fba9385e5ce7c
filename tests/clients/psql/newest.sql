-- Pipelines and named statements, as psql 18 has them.
\pset pager off
\echo == pipeline
\startpipeline
SELECT $1::int \bind 1 \sendpipeline
SELECT title FROM app.posts WHERE id = $1 \bind 2 \sendpipeline
\flushrequest
\getresults
SELECT * FROM app.missing \bind \sendpipeline
SELECT 2 \bind \sendpipeline
\syncpipeline
SELECT 3 \bind \sendpipeline
\endpipeline
\echo == named
SELECT $1::text AS said \parse spoken
\bind_named spoken 'hello' \g
\close_prepared spoken
\bind_named spoken 'again' \g
\echo == described
\d trade.orders
\d+ trade.nation
\dx
\dRp
\dconfig TimeZone
\echo == end
