#include "CEpollShim.h"
// Every declaration of this module is a type, a constant or an inline wrapper in the header;
// this file exists because a C target needs one translation unit.
