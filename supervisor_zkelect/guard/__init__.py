"""The guard: a process that ends a term in time when the listener cannot, and the record that both share.

rules           guard, with groups, renewals, absence and ending; effects is their port
process         process, with conversation, door, programs, inbox, aside, place, cgroups, upkeep, kept_log, members, registration
listener side   link, send_buffer
ZooKeeper       keeper, keeper_link, release
messages        protocol, keeper_protocol, codec
files           record, book, saved_session, kept_config, locks, sessions, folder
"""
