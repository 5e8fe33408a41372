-- Running counters of long windows, as the gateway last told them; `slot` is the number of units since the epoch.
CREATE TABLE counters (
    name TEXT NOT NULL,
    unit INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (name, unit)
);
