//! Builds the crate anew when a file of the page has changed: what embeds them does not tell cargo.

fn main() {
    println!("cargo:rerun-if-changed=../../web");
}
