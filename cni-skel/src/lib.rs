//! Write CNI plugins.
