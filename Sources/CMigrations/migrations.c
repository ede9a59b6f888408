#include "CMigrations.h"

// Of C23, and an extension in what the package is compiled as.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char create_tables[] = {
#embed "../../Migrations/001_create_tables.sql"
};
static const unsigned char add_triggers[] = {
#embed "../../Migrations/004_add_cache_invalidation_triggers.sql"
};
static const unsigned char add_event_log[] = {
#embed "../../Migrations/005_add_event_log.sql"
};
static const unsigned char add_direct_messages[] = {
#embed "../../Migrations/006_add_direct_messages.sql"
};

// A new file of the folder gets its place here; a test compares.
static const struct cmi_file files[] = {
    {"001_create_tables.sql", create_tables, sizeof create_tables},
    {"004_add_cache_invalidation_triggers.sql", add_triggers, sizeof add_triggers},
    {"005_add_event_log.sql", add_event_log, sizeof add_event_log},
    {"006_add_direct_messages.sql", add_direct_messages, sizeof add_direct_messages},
};

const struct cmi_file *cmi_file_at(size_t position) {
    return position < sizeof files / sizeof files[0] ? &files[position] : NULL;
}
