//! Files that lack a key or have one that is not implemented are refused with the key's name.
