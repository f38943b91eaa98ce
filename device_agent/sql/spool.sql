-- What a device must not forget. One file may serve several devices (simulate --spool).
CREATE TABLE IF NOT EXISTS device (
    id INTEGER PRIMARY KEY,
    thing_name TEXT NOT NULL UNIQUE,
    last_sequence INTEGER NOT NULL DEFAULT 0,          -- of the last sample taken
    dropped INTEGER NOT NULL DEFAULT 0,                -- samples that the size cap removed unsent
    last_command_sequence INTEGER NOT NULL DEFAULT 0,
    boot_count INTEGER NOT NULL DEFAULT 0,
    battery BLOB                                       -- the simulated battery's state and counters
);

-- Samples on their way: they leave with the broker's acknowledgement.
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY,                            -- order of writing, over all devices
    device_id INTEGER NOT NULL REFERENCES device,
    sequence INTEGER NOT NULL,
    measured_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,                                -- the sample as it is sent
    UNIQUE (device_id, sequence)
);

-- The last acknowledged samples, kept for audit where --keep-acknowledged asks for it.
CREATE TABLE IF NOT EXISTS acknowledged (
    device_id INTEGER NOT NULL REFERENCES device,
    sequence INTEGER NOT NULL,
    measured_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (device_id, sequence)
) WITHOUT ROWID;

-- Commands in the order of their sequence, written before anything acts on them.
CREATE TABLE IF NOT EXISTS command (
    device_id INTEGER NOT NULL REFERENCES device,
    sequence INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (device_id, sequence)
) WITHOUT ROWID;
