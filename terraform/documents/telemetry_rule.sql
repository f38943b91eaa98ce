SELECT *, topic(2) AS thing_name, timestamp() AS received_at_ms, clientid() AS client_id, principal() AS certificate_id FROM 'devices/+/telemetry'
