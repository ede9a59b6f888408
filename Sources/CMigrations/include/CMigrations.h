/// The files of the folder `Migrations`, as they were when the program was built: `migrate` needs no
/// folder beside it.
#ifndef CMIGRATIONS_H
#define CMIGRATIONS_H

#include <stddef.h>

/// A file's name, with its NUL, and its bytes, without one.
struct cmi_file {
    const char *name;
    const unsigned char *text;
    size_t count;
};

/// The file at this position, in the order of the names. NULL behind the last.
const struct cmi_file *cmi_file_at(size_t position);

#endif
