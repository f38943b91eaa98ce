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

-- What earlier software kept of commands, and never acted on.
DROP TABLE IF EXISTS command;

-- Commands by Flip's id, each in its last revision and with how far it is, written before anything acts on them.
CREATE TABLE IF NOT EXISTS held_command (
    device_id INTEGER NOT NULL REFERENCES device,
    command_id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (device_id, command_id)
) WITHOUT ROWID;

-- Answers to commands on their way: they leave with the acknowledgement of the message that carried them.
CREATE TABLE IF NOT EXISTS command_result (
    device_id INTEGER NOT NULL REFERENCES device,
    number INTEGER NOT NULL,                           -- order of writing, of this device
    body BLOB NOT NULL,
    PRIMARY KEY (device_id, number)
) WITHOUT ROWID;

-- How far the wall clock is off, as far as the cloud has said.
CREATE TABLE IF NOT EXISTS clock (
    device_id INTEGER PRIMARY KEY REFERENCES device,
    low_s REAL,                                        -- NULL: no bound
    high_s REAL,
    since_sequence INTEGER NOT NULL,                   -- the last sample before the wall clock jumped
    heard_at_ms INTEGER NOT NULL                       -- by the wall clock
);

-- When the cloud was heard of last, by the wall clock.
CREATE TABLE IF NOT EXISTS contact (
    device_id INTEGER PRIMARY KEY REFERENCES device,
    heard_at_ms INTEGER NOT NULL
);
