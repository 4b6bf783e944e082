CREATE OR REPLACE VIEW t_00000000000000000000000000000000.person AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'first_name' AS first_name,
    r.data->>'last_name' AS last_name,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'emails') WHEN 'array' THEN r.data->'emails' END)) AS emails,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'phones') WHEN 'array' THEN r.data->'phones' END)) AS phones,
    r.data->>'title' AS title,
    r.data->>'role' AS role,
    company_link.target_id AS company_id,
    company_record.title AS company,
    r.data->>'company_name' AS company_name,
    owner_link.target_id AS owner_id,
    owner_record.title AS owner,
    r.data#>>'{address,street}' AS address_street,
    r.data#>>'{address,city}' AS address_city,
    r.data#>>'{address,region}' AS address_region,
    r.data#>>'{address,postal_code}' AS address_postal_code,
    r.data#>>'{address,country}' AS address_country,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'tags') WHEN 'array' THEN r.data->'tags' END)) AS tags,
    (r.data->>'is_active')::boolean AS is_active,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink company_link ON company_link.record_id = r.id AND company_link.field = 'company' AND company_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record company_record ON company_record.id = company_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink owner_link ON owner_link.record_id = r.id AND owner_link.field = 'owner' AND owner_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record owner_record ON owner_record.id = owner_link.target_id
WHERE r.record_type = 'person' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.company AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'domain' AS domain,
    r.data->>'registration_number' AS registration_number,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'emails') WHEN 'array' THEN r.data->'emails' END)) AS emails,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'phones') WHEN 'array' THEN r.data->'phones' END)) AS phones,
    r.data->>'role' AS role,
    owner_link.target_id AS owner_id,
    owner_record.title AS owner,
    primary_contact_link.target_id AS primary_contact_id,
    primary_contact_record.title AS primary_contact,
    parent_link.target_id AS parent_id,
    parent_record.title AS parent,
    r.data#>>'{address,street}' AS address_street,
    r.data#>>'{address,city}' AS address_city,
    r.data#>>'{address,region}' AS address_region,
    r.data#>>'{address,postal_code}' AS address_postal_code,
    r.data#>>'{address,country}' AS address_country,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'tags') WHEN 'array' THEN r.data->'tags' END)) AS tags,
    (r.data->>'is_active')::boolean AS is_active,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink owner_link ON owner_link.record_id = r.id AND owner_link.field = 'owner' AND owner_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record owner_record ON owner_record.id = owner_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink primary_contact_link ON primary_contact_link.record_id = r.id AND primary_contact_link.field = 'primary_contact' AND primary_contact_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record primary_contact_record ON primary_contact_record.id = primary_contact_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink parent_link ON parent_link.record_id = r.id AND parent_link.field = 'parent' AND parent_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record parent_record ON parent_record.id = parent_link.target_id
WHERE r.record_type = 'company' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.app_user AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'email' AS email,
    r.data->>'title' AS title,
    r.data->>'phone' AS phone,
    (r.data->>'is_active')::boolean AS is_active,
    (r.data->>'is_bot')::boolean AS is_bot,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
WHERE r.record_type = 'user' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.team AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'description' AS description,
    ARRAY(SELECT l.target_id FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'members' ORDER BY l.position) AS members_ids,
    ARRAY(SELECT t.title FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'members' ORDER BY l.position) AS members,
    (r.data->>'is_active')::boolean AS is_active,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
WHERE r.record_type = 'team' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.deal AS
SELECT
    r.id,
    r.data->>'name' AS name,
    (r.data->>'amount')::numeric AS amount,
    r.data->>'currency' AS currency,
    r.data->>'status' AS status,
    stage_link.target_id AS stage_id,
    stage_record.title AS stage,
    pipeline_link.target_id AS pipeline_id,
    pipeline_record.title AS pipeline,
    (r.data->>'probability')::numeric AS probability,
    (r.data->>'closes_on')::date AS closes_on,
    company_link.target_id AS company_id,
    company_record.title AS company,
    person_link.target_id AS person_id,
    person_record.title AS person,
    owner_link.target_id AS owner_id,
    owner_record.title AS owner,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'tags') WHEN 'array' THEN r.data->'tags' END)) AS tags,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink stage_link ON stage_link.record_id = r.id AND stage_link.field = 'stage' AND stage_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record stage_record ON stage_record.id = stage_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink pipeline_link ON pipeline_link.record_id = r.id AND pipeline_link.field = 'pipeline' AND pipeline_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record pipeline_record ON pipeline_record.id = pipeline_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink company_link ON company_link.record_id = r.id AND company_link.field = 'company' AND company_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record company_record ON company_record.id = company_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink person_link ON person_link.record_id = r.id AND person_link.field = 'person' AND person_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record person_record ON person_record.id = person_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink owner_link ON owner_link.record_id = r.id AND owner_link.field = 'owner' AND owner_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record owner_record ON owner_record.id = owner_link.target_id
WHERE r.record_type = 'deal' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.invoice AS
SELECT
    r.id,
    r.data->>'number' AS number,
    r.data->>'status' AS status,
    (r.data->>'issued_on')::date AS issued_on,
    (r.data->>'due_on')::date AS due_on,
    (r.data->>'total')::numeric AS total,
    (r.data->>'open_amount')::numeric AS open_amount,
    r.data->>'currency' AS currency,
    customer_link.target_id AS customer_id,
    customer_record.title AS customer,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink customer_link ON customer_link.record_id = r.id AND customer_link.field = 'customer' AND customer_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record customer_record ON customer_record.id = customer_link.target_id
WHERE r.record_type = 'invoice' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.payment AS
SELECT
    r.id,
    (r.data->>'amount')::numeric AS amount,
    r.data->>'currency' AS currency,
    r.data->>'status' AS status,
    (r.data->>'paid_on')::date AS paid_on,
    (r.data->>'unapplied_amount')::numeric AS unapplied_amount,
    customer_link.target_id AS customer_id,
    customer_record.title AS customer,
    ARRAY(SELECT l.target_id FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'invoices' ORDER BY l.position) AS invoices_ids,
    ARRAY(SELECT t.title FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'invoices' ORDER BY l.position) AS invoices,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink customer_link ON customer_link.record_id = r.id AND customer_link.field = 'customer' AND customer_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record customer_record ON customer_record.id = customer_link.target_id
WHERE r.record_type = 'payment' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.item AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'sku' AS sku,
    r.data->>'description' AS description,
    r.data->>'kind' AS kind,
    (r.data->>'unit_price')::numeric AS unit_price,
    r.data->>'currency' AS currency,
    (r.data->>'is_active')::boolean AS is_active,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
WHERE r.record_type = 'item' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.message AS
SELECT
    r.id,
    r.data->>'text' AS text,
    r.data->>'subject' AS subject,
    author_link.target_id AS author_id,
    author_record.title AS author,
    r.data->>'author_name' AS author_name,
    r.data->>'sender' AS sender,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'recipients') WHEN 'array' THEN r.data->'recipients' END)) AS recipients,
    channel_link.target_id AS channel_id,
    channel_record.title AS channel,
    thread_link.target_id AS thread_id,
    thread_record.title AS thread,
    (r.data->>'sent_at')::timestamptz AS sent_at,
    (r.data->>'edited_at')::timestamptz AS edited_at,
    ARRAY(SELECT l.target_id FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'labels' ORDER BY l.position) AS labels_ids,
    ARRAY(SELECT t.title FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'labels' ORDER BY l.position) AS labels,
    r.data->>'url' AS url,
    r.data->>'kind' AS kind,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink author_link ON author_link.record_id = r.id AND author_link.field = 'author' AND author_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record author_record ON author_record.id = author_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink channel_link ON channel_link.record_id = r.id AND channel_link.field = 'channel' AND channel_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record channel_record ON channel_record.id = channel_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink thread_link ON thread_link.record_id = r.id AND thread_link.field = 'thread' AND thread_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record thread_record ON thread_record.id = thread_link.target_id
WHERE r.record_type = 'message' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.channel AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'topic' AS topic,
    r.data->>'kind' AS kind,
    team_link.target_id AS team_id,
    team_record.title AS team,
    (r.data->>'is_private')::boolean AS is_private,
    (r.data->>'is_archived')::boolean AS is_archived,
    (r.data->>'member_count')::bigint AS member_count,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink team_link ON team_link.record_id = r.id AND team_link.field = 'team' AND team_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record team_record ON team_record.id = team_link.target_id
WHERE r.record_type = 'channel' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.thread AS
SELECT
    r.id,
    r.data->>'subject' AS subject,
    channel_link.target_id AS channel_id,
    channel_record.title AS channel,
    ARRAY(SELECT l.target_id FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'participants' ORDER BY l.position) AS participants_ids,
    ARRAY(SELECT t.title FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'participants' ORDER BY l.position) AS participants,
    (r.data->>'started_at')::timestamptz AS started_at,
    (r.data->>'last_message_at')::timestamptz AS last_message_at,
    (r.data->>'message_count')::bigint AS message_count,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink channel_link ON channel_link.record_id = r.id AND channel_link.field = 'channel' AND channel_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record channel_record ON channel_record.id = channel_link.target_id
WHERE r.record_type = 'thread' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.project AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'description' AS description,
    r.data->>'status' AS status,
    owner_link.target_id AS owner_id,
    owner_record.title AS owner,
    (r.data->>'starts_on')::date AS starts_on,
    (r.data->>'due_on')::date AS due_on,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'tags') WHEN 'array' THEN r.data->'tags' END)) AS tags,
    r.data->>'url' AS url,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink owner_link ON owner_link.record_id = r.id AND owner_link.field = 'owner' AND owner_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record owner_record ON owner_record.id = owner_link.target_id
WHERE r.record_type = 'project' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.task AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'description' AS description,
    r.data->>'status' AS status,
    r.data->>'priority' AS priority,
    ARRAY(SELECT l.target_id FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'assignees' ORDER BY l.position) AS assignees_ids,
    ARRAY(SELECT t.title FROM t_00000000000000000000000000000000.integrations_recordlink l LEFT JOIN t_00000000000000000000000000000000.integrations_record t ON t.id = l.target_id WHERE l.record_id = r.id AND l.field = 'assignees' ORDER BY l.position) AS assignees,
    project_link.target_id AS project_id,
    project_record.title AS project,
    related_link.target_id AS related_id,
    related_record.title AS related,
    (r.data->>'due_at')::timestamptz AS due_at,
    (r.data->>'due_on')::date AS due_on,
    (r.data->>'completed_at')::timestamptz AS completed_at,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'tags') WHEN 'array' THEN r.data->'tags' END)) AS tags,
    r.data->>'url' AS url,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink project_link ON project_link.record_id = r.id AND project_link.field = 'project' AND project_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record project_record ON project_record.id = project_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink related_link ON related_link.record_id = r.id AND related_link.field = 'related' AND related_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record related_record ON related_record.id = related_link.target_id
WHERE r.record_type = 'task' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.event AS
SELECT
    r.id,
    r.data->>'title' AS title,
    r.data->>'description' AS description,
    r.data->>'kind' AS kind,
    r.data->>'location' AS location,
    (r.data->>'starts_at')::timestamptz AS starts_at,
    (r.data->>'ends_at')::timestamptz AS ends_at,
    (r.data->>'is_all_day')::boolean AS is_all_day,
    (r.data->>'is_cancelled')::boolean AS is_cancelled,
    organizer_link.target_id AS organizer_id,
    organizer_record.title AS organizer,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'attendees') WHEN 'array' THEN r.data->'attendees' END)) AS attendees,
    related_link.target_id AS related_id,
    related_record.title AS related,
    r.data->>'url' AS url,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink organizer_link ON organizer_link.record_id = r.id AND organizer_link.field = 'organizer' AND organizer_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record organizer_record ON organizer_record.id = organizer_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink related_link ON related_link.record_id = r.id AND related_link.field = 'related' AND related_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record related_record ON related_record.id = related_link.target_id
WHERE r.record_type = 'event' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.document AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'status' AS status,
    (r.data->>'amount')::numeric AS amount,
    r.data->>'currency' AS currency,
    template_link.target_id AS template_id,
    template_record.title AS template,
    owner_link.target_id AS owner_id,
    owner_record.title AS owner,
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(r.data->'recipients') WHEN 'array' THEN r.data->'recipients' END)) AS recipients,
    (r.data->>'sent_at')::timestamptz AS sent_at,
    (r.data->>'completed_at')::timestamptz AS completed_at,
    (r.data->>'expires_at')::timestamptz AS expires_at,
    r.data->>'url' AS url,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink template_link ON template_link.record_id = r.id AND template_link.field = 'template' AND template_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record template_record ON template_record.id = template_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink owner_link ON owner_link.record_id = r.id AND owner_link.field = 'owner' AND owner_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record owner_record ON owner_record.id = owner_link.target_id
WHERE r.record_type = 'document' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.template AS
SELECT
    r.id,
    r.data->>'name' AS name,
    folder_link.target_id AS folder_id,
    folder_record.title AS folder,
    (r.data->>'is_active')::boolean AS is_active,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink folder_link ON folder_link.record_id = r.id AND folder_link.field = 'folder' AND folder_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record folder_record ON folder_record.id = folder_link.target_id
WHERE r.record_type = 'template' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.file AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'mime_type' AS mime_type,
    (r.data->>'size_bytes')::bigint AS size_bytes,
    folder_link.target_id AS folder_id,
    folder_record.title AS folder,
    owner_link.target_id AS owner_id,
    owner_record.title AS owner,
    attached_to_link.target_id AS attached_to_id,
    attached_to_record.title AS attached_to,
    r.data->>'url' AS url,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink folder_link ON folder_link.record_id = r.id AND folder_link.field = 'folder' AND folder_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record folder_record ON folder_record.id = folder_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink owner_link ON owner_link.record_id = r.id AND owner_link.field = 'owner' AND owner_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record owner_record ON owner_record.id = owner_link.target_id
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink attached_to_link ON attached_to_link.record_id = r.id AND attached_to_link.field = 'attached_to' AND attached_to_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record attached_to_record ON attached_to_record.id = attached_to_link.target_id
WHERE r.record_type = 'file' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.folder AS
SELECT
    r.id,
    r.data->>'name' AS name,
    parent_link.target_id AS parent_id,
    parent_record.title AS parent,
    r.data->>'kind' AS kind,
    (r.data->>'item_count')::bigint AS item_count,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink parent_link ON parent_link.record_id = r.id AND parent_link.field = 'parent' AND parent_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record parent_record ON parent_record.id = parent_link.target_id
WHERE r.record_type = 'folder' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.row AS
SELECT
    r.id,
    r.data->>'title' AS title,
    table_link.target_id AS table_id,
    table_record.title AS table,
    r.data->>'url' AS url,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink table_link ON table_link.record_id = r.id AND table_link.field = 'table' AND table_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record table_record ON table_record.id = table_link.target_id
WHERE r.record_type = 'row' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.option AS
SELECT
    r.id,
    r.data->>'name' AS name,
    r.data->>'kind' AS kind,
    parent_link.target_id AS parent_id,
    parent_record.title AS parent,
    (r.data->>'rank')::bigint AS rank,
    (r.data->>'is_active')::boolean AS is_active,
    r.source_system,
    r.entity_type,
    r.source_id,
    r.connection_id,
    r.source_changed_at,
    r.first_seen_at,
    r.changed_at
FROM t_00000000000000000000000000000000.integrations_record r
LEFT JOIN t_00000000000000000000000000000000.integrations_recordlink parent_link ON parent_link.record_id = r.id AND parent_link.field = 'parent' AND parent_link.position = 0
LEFT JOIN t_00000000000000000000000000000000.integrations_record parent_record ON parent_record.id = parent_link.target_id
WHERE r.record_type = 'option' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.invoice_line AS
SELECT
    r.id AS invoice_id,
    l.position,
    l.line->>'description' AS description,
    (l.line->>'amount')::numeric AS amount,
    (l.line->>'quantity')::numeric AS quantity,
    (l.line->>'unit_price')::numeric AS unit_price,
    r.data->>'currency' AS currency,
    i.id AS item_id,
    i.title AS item
FROM t_00000000000000000000000000000000.integrations_record r
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(r.data->'lines') WHEN 'array' THEN r.data->'lines' END
) WITH ORDINALITY AS l(line, position)
LEFT JOIN t_00000000000000000000000000000000.integrations_record i ON i.source_system = r.source_system
    AND i.entity_type = l.line#>>'{item,entity_type}'
    AND i.source_id = l.line#>>'{item,source_id}'
WHERE r.record_type = 'invoice' AND r.deleted_at IS NULL;

CREATE OR REPLACE VIEW t_00000000000000000000000000000000.identity AS
SELECT
    r.id,
    m.group_id,
    r.record_type,
    g.label AS name,
    r.source_system,
    r.entity_type,
    r.source_id,
    g.decided_at AS confirmed_at
FROM t_00000000000000000000000000000000.integrations_identitymember m
JOIN t_00000000000000000000000000000000.integrations_identitygroup g ON g.id = m.group_id
JOIN t_00000000000000000000000000000000.integrations_record r ON r.source_system = m.source_system
    AND r.entity_type = m.entity_type AND r.source_id = m.source_id AND r.deleted_at IS NULL
WHERE m.is_confirmed;
