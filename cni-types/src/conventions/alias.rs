//! Other names of a container.

use crate::name::name;

name! {
    /// A name under which others find a container on its network: an element of capability
    /// [`aliases`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
    /// It is a DNS name: labels of 1 to 63 letters, digits, `-` and `_`, with dots between them, 253 bytes at most. So it
    /// can be written into a resolver's file without a second look.
    ///
    /// ```
    /// use cni_types::Alias;
    ///
    /// assert_eq!(Alias::try_from("primary-db")?, "primary-db");
    /// assert!(Alias::try_from("db\n10.0.0.1 bank.example").is_err());
    /// # Ok::<(), cni_types::InvalidName>(())
    /// ```
    Alias, "alias", check
}

fn check(value: &str) -> Result<(), &'static str> {
    if value.is_empty() {
        return Err("it is empty");
    }
    if value.len() > 253 {
        return Err("it is longer than 253 bytes");
    }
    for label in value.split('.') {
        if !(1..=63).contains(&label.len()) {
            return Err("a label has 1 to 63 bytes");
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err("only letters, digits, '-', '_' and '.' will do");
        }
    }
    Ok(())
}
