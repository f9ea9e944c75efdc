//! Aliases of a container.

use crate::name::name;

name! {
    /// A DNS name of a container on its network: an element of capability
    /// [`aliases`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
    ///
    /// It has at most 253 bytes, in labels of 1 to 63 ASCII letters, digits, `-` and `_` with dots between them. It is safe
    /// to write it into a hosts file.
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
            return Err("a label is empty or longer than 63 bytes");
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err("it contains a character other than letters, digits, '-', '_' and '.'");
        }
    }
    Ok(())
}
