//! Names for `generateName`.

/// Characters of the suffix: no vowels, so that no word appears by chance, and nothing that looks like another.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of the suffix in characters.
const SUFFIX_LENGTH: usize = 5;
/// Longest name made here; a longer base is cut so that the suffix fits.
const NAME_LENGTH_MAX: usize = 63;

/// The base and five random characters. `random` returns a number below its argument.
pub fn generate(base: &str, random: impl FnMut(u32) -> u32) -> String {
    let mut end = base.len().min(NAME_LENGTH_MAX - SUFFIX_LENGTH);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &base[..end], suffix(SUFFIX_LENGTH, random))
}

/// Random characters that are safe in any name (upstream's `rand.SafeEncodeString` alphabet).
pub fn suffix(length: usize, mut random: impl FnMut(u32) -> u32) -> String {
    (0..length).map(|_| safe_character(random(ALPHABET.len() as u32))).collect()
}

/// Maps any number to the alphabet: how hashes become names (upstream's `rand.SafeEncodeString`).
pub fn safe_character(number: u32) -> char {
    char::from(ALPHABET[number as usize % ALPHABET.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AM-02
    #[test]
    fn a_generated_name_is_the_base_and_five_characters() {
        let mut next = 0;
        let mut random = |bound: u32| {
            assert_eq!(bound, 27);
            next += 6;
            next % bound
        };
        assert_eq!(generate("web-", &mut random), "web-jqx7f");
        let long = generate(&"a".repeat(100), &mut random);
        assert_eq!((long.len(), long.starts_with(&"a".repeat(58))), (63, true));
    }
}
