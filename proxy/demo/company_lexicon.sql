-- The words and the dice of the sample company: functions of this session only, gone when it ends.
--
-- Every value is a hash of (row number, salt), never random(): the same build gives the same company,
-- so that figures in the documentation and in tests stay true. Plain SQL functions are inlined by the
-- planner; the word lists fold into constants.

-- A die with `sides` sides, 0-based; `salt` tells one column's die from another's.
CREATE FUNCTION pg_temp.roll(id bigint, salt integer, sides integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((pg_catalog.hashint8extended(id, salt) & 9223372036854775807) % sides)::integer;

-- A number in [0, 1).
CREATE FUNCTION pg_temp.fraction(id bigint, salt integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((pg_catalog.hashint8extended(id, salt) & 9223372036854775807) % 1000003) / 1000003.0::double precision;

CREATE FUNCTION pg_temp.given_name(id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY[
        'Amara','Anders','Aoife','Arjun','Astrid','Baptiste','Beatriz','Callum','Camila','Chiara',
        'Dagny','Daniel','Daria','Diego','Eilidh','Ekene','Elif','Emilia','Emre','Esther',
        'Farah','Felix','Fiona','Gabriel','Greta','Hana','Haruto','Henrik','Ines','Isabel',
        'Ivan','Jasmin','Jiwon','Joaquim','Jonas','Julia','Kaito','Karim','Katya','Keira',
        'Lars','Leila','Leon','Liam','Linnea','Lucia','Malik','Manuel','Mara','Marek',
        'Mei','Mina','Nadia','Naoki','Niamh','Nikhil','Noor','Oluwaseun','Oscar','Paloma',
        'Pavel','Petra','Priya','Rafael','Rania','Renata','Rosa','Ruben','Saoirse','Sara',
        'Sofia','Soren','Tariq','Tereza','Thabo','Tomas','Uma','Valentin','Wei','Yara'
    ])[1 + pg_temp.roll(id, 101, 80)] $$;

CREATE FUNCTION pg_temp.family_name(id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY[
        'Abara','Achterberg','Adeyemi','Almeida','Andersson','Araujo','Bakker','Barros','Becker','Bergstrom',
        'Bianchi','Bjornsen','Blackwood','Bosch','Brennan','Cardoso','Carvalho','Castellanos','Chaudhry','Chen',
        'Conti','Costa','Dahl','Delacroix','Demir','Drummond','Duarte','Eriksen','Espinoza','Farrell',
        'Ferrari','Fischer','Fontaine','Gallagher','Garcia','Grieg','Gupta','Haddad','Hansen','Hashimoto',
        'Hayes','Hoffmann','Ibarra','Ishikawa','Iyer','Jansen','Kaplan','Karlsson','Kaur','Kelly',
        'Kim','Kowalski','Kruger','Larsen','Lefebvre','Lindqvist','Lombardi','MacLeod','Mahlangu','Marchetti',
        'Mbeki','Mendes','Moreau','Murray','Nakamura','Navarro','Nguyen','Novak','Nyberg','Okafor',
        'Olsen','Ortega','Ozturk','Park','Pereira','Petrov','Quintero','Rahman','Reyes','Rossi',
        'Sandoval','Santos','Sato','Schneider','Sharma','Silva','Sokolov','Sorensen','Suzuki','Takahashi',
        'Tanaka','Teixeira','Thorne','Vasquez','Vega','Visser','Walsh','Weber','Yilmaz','Zielinski'
    ])[1 + pg_temp.roll(id, 102, 100)] $$;

CREATE FUNCTION pg_temp.trade_name(id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY[
        'Anchorage','Bluewater','Breakwater','Bowline','Cormorant','Driftwood','Eastport','Estuary','Fairway','Foreland',
        'Gannet','Guillemot','Halyard','Harbourside','Headland','Islander','Kestrel','Kittiwake','Landfall','Leeward',
        'Lighthouse','Longshore','Mainsail','Meridian','Mooring','Northstar','Oystercatcher','Pilot','Polaris','Quayside',
        'Razorbill','Reefpoint','Saltmarsh','Seagrass','Shearwater','Skerry','Slipway','Spinnaker','Starboard','Stormglass',
        'Tidal','Tidewater','Topsail','Tradewind','Trawler','Undertow','Weatherly','Westering','Windward','Yardarm'
    ])[1 + pg_temp.roll(id, 103, 50)] $$;

CREATE FUNCTION pg_temp.trade_kind(id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY[
        'Marine','Charters','Chandlery','Ferries','Fisheries','Yachts','Boatyard','Survey','Pilots','Aquaculture',
        'Towage','Sailing School','Offshore','Salvage','Rescue','Marina'
    ])[1 + pg_temp.roll(id, 104, 16)] $$;

-- 40 % of the business is in emea, 30 in amer, 20 in apac, 10 in latam.
CREATE FUNCTION pg_temp.region(id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['emea','emea','emea','emea','amer','amer','amer','apac','apac','latam'])
           [1 + pg_temp.roll(id, 105, 10)] $$;

CREATE FUNCTION pg_temp.country(id bigint, region text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE region
        WHEN 'emea' THEN (ARRAY['GB','NO','DE','NL','FR','ES','IE','ZA'])[1 + pg_temp.roll(id, 106, 8)]
        WHEN 'amer' THEN (ARRAY['US','US','US','CA'])[1 + pg_temp.roll(id, 106, 4)]
        WHEN 'apac' THEN (ARRAY['JP','AU','NZ','SG','KR'])[1 + pg_temp.roll(id, 106, 5)]
        ELSE (ARRAY['BR','CL','MX','AR'])[1 + pg_temp.roll(id, 106, 4)]
    END $$;

CREATE FUNCTION pg_temp.city(id bigint, country text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE country
        WHEN 'GB' THEN (ARRAY['Plymouth','Aberdeen','Lerwick'])[1 + pg_temp.roll(id, 107, 3)]
        WHEN 'NO' THEN (ARRAY['Bergen','Tromsø','Stavanger'])[1 + pg_temp.roll(id, 107, 3)]
        WHEN 'DE' THEN (ARRAY['Hamburg','Kiel','Bremerhaven'])[1 + pg_temp.roll(id, 107, 3)]
        WHEN 'NL' THEN (ARRAY['Rotterdam','Den Helder'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'FR' THEN (ARRAY['Brest','La Rochelle','Marseille'])[1 + pg_temp.roll(id, 107, 3)]
        WHEN 'ES' THEN (ARRAY['Vigo','A Coruña','Palma'])[1 + pg_temp.roll(id, 107, 3)]
        WHEN 'IE' THEN (ARRAY['Cork','Galway'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'ZA' THEN (ARRAY['Cape Town','Durban'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'US' THEN (ARRAY['Seattle','Portland, ME','Galveston','San Diego'])[1 + pg_temp.roll(id, 107, 4)]
        WHEN 'CA' THEN (ARRAY['Halifax','Vancouver'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'JP' THEN (ARRAY['Yokohama','Hakodate','Kobe'])[1 + pg_temp.roll(id, 107, 3)]
        WHEN 'AU' THEN (ARRAY['Hobart','Fremantle'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'NZ' THEN (ARRAY['Auckland','Nelson'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'SG' THEN 'Singapore'
        WHEN 'KR' THEN (ARRAY['Busan','Incheon'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'BR' THEN (ARRAY['Santos','Recife'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'CL' THEN (ARRAY['Valparaíso','Punta Arenas'])[1 + pg_temp.roll(id, 107, 2)]
        WHEN 'MX' THEN (ARRAY['Veracruz','Ensenada'])[1 + pg_temp.roll(id, 107, 2)]
        ELSE 'Mar del Plata'
    END $$;

CREATE FUNCTION pg_temp.street(id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (1 + pg_temp.roll(id, 108, 240))::text || ' ' || (ARRAY[
        'Quay Street','Harbour Road','Pier Lane','Dock Row','Chandler Way','Beacon Hill','Ropewalk','Customs House Lane',
        'Signal Street','Shipwright Yard','Fish Market','Lock Gate Road'
    ])[1 + pg_temp.roll(id, 109, 12)] $$;

-- Invented, of a form that no country issues: letters, digits, and a check digit of our own.
CREATE FUNCTION pg_temp.national_id(id bigint, country text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT country || '-' || lpad(pg_temp.roll(id, 110, 1000000)::text, 6, '0')
        || '-' || lpad(pg_temp.roll(id, 111, 10000)::text, 4, '0') $$;

-- lower-case ASCII for mail addresses
CREATE FUNCTION pg_temp.slug(words text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT lower(translate(words, ' øñíÅ,''', '-oniA')) $$;
