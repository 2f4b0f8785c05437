//! What other programs build on: whoever changes it sees it here, and has the version number to think of.

use std::fs;
use std::path::Path;

use swamp::recorder::{Failure, Recorder, Recording};
use syn::{Attribute, Block, File, ImplItem, Item, Visibility};

/// Of a source file, the signatures of what is public in it.
fn face(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path);
    let source: File = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
    prettyplease::unparse(&File {
        shebang: None,
        attrs: Vec::new(),
        items: source.items.into_iter().filter_map(public).collect(),
    })
}

fn public(mut item: Item) -> Option<Item> {
    let (visibility, attributes) = match &mut item {
        Item::Struct(item) => {
            for field in &mut item.fields {
                assert!(!is_public(&field.vis), "a field can never change");
            }
            item.fields = syn::Fields::Unit;
            item.semi_token = Some(<syn::Token![;]>::default());
            (&item.vis, &mut item.attrs)
        }
        Item::Mod(item) => {
            item.content = None;
            item.semi = Some(<syn::Token![;]>::default());
            (&item.vis, &mut item.attrs)
        }
        Item::Use(item) => (&item.vis, &mut item.attrs),
        Item::Impl(item) => {
            // What a trait's implementation has to have, the trait says.
            item.items.retain(|_| item.trait_.is_none());
            item.items = item.items.drain(..).filter_map(public_in_impl).collect();
            item.attrs.retain(matters);
            return (item.trait_.is_some() || !item.items.is_empty())
                .then_some(Item::Impl(item.clone()));
        }
        Item::Fn(item) => {
            *item.block = nothing();
            (&item.vis, &mut item.attrs)
        }
        Item::Const(item) => (&item.vis, &mut item.attrs),
        Item::Enum(item) => (&item.vis, &mut item.attrs),
        Item::Trait(item) => (&item.vis, &mut item.attrs),
        Item::Type(item) => (&item.vis, &mut item.attrs),
        _ => panic!("teach this test what of it is public"),
    };
    let is_shown = !attributes.iter().any(hides);
    attributes.retain(matters);
    (is_public(visibility) && is_shown).then_some(item)
}

fn hides(attribute: &Attribute) -> bool {
    let argument = attribute.parse_args::<syn::Ident>();
    attribute.path().is_ident("doc") && argument.is_ok_and(|argument| argument == "hidden")
}

fn public_in_impl(mut item: ImplItem) -> Option<ImplItem> {
    let (visibility, attributes) = match &mut item {
        ImplItem::Fn(function) => {
            function.block = nothing();
            (&function.vis, &mut function.attrs)
        }
        ImplItem::Const(constant) => (&constant.vis, &mut constant.attrs),
        _ => panic!("teach this test what of it is public"),
    };
    attributes.retain(matters);
    is_public(visibility).then_some(item)
}

const fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn nothing() -> Block {
    Block {
        brace_token: syn::token::Brace::default(),
        stmts: Vec::new(),
    }
}

fn matters(attribute: &Attribute) -> bool {
    !attribute.path().is_ident("doc") && !attribute.path().is_ident("must_use")
}

#[test]
fn the_library_without_default_features_shows_one_module() {
    insta::assert_snapshot!(face("lib.rs"), @r#"
    #[cfg_attr(not(feature = "cli"), doc(hidden))]
    pub mod config;
    #[cfg(feature = "sender")]
    pub mod conformance;
    #[cfg_attr(not(feature = "cli"), doc(hidden))]
    pub mod domain;
    #[cfg(feature = "sender")]
    pub mod egress;
    #[cfg_attr(not(feature = "cli"), doc(hidden))]
    pub mod flush;
    #[cfg_attr(not(feature = "cli"), doc(hidden))]
    pub mod process;
    #[cfg(feature = "sender")]
    pub mod receiver;
    pub mod recorder;
    #[cfg(feature = "sender")]
    pub mod scaffold;
    #[cfg(feature = "sender")]
    pub mod sender;
    #[cfg_attr(not(feature = "cli"), doc(hidden))]
    pub mod spool;
    "#);
}

#[test]
fn the_recorder_has_this_face() {
    let files = ["mod.rs", "failure.rs", "recording.rs"];
    let faces = files.map(|file| face(&format!("recorder/{file}")));
    insta::assert_snapshot!(faces.join("\n"), @r#"
    pub use clap;
    pub use self::failure::Failure;
    pub use self::recording::Recording;
    #[derive(Clone, Debug)]
    pub struct Recorder;
    impl Recorder {
        pub fn new(program: impl Into<String>, version: impl Into<String>) -> Self {}
        pub fn categorical(mut self, path: &[&str], id: &str) -> Self {}
        pub fn begin(&self, command: &Command, matches: &ArgMatches) -> Recording {}
        pub fn refused<T: Into<OsString>>(
            &self,
            command: &Command,
            argv: impl IntoIterator<Item = T>,
            error: &clap::Error,
        ) {}
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Failure;
    impl Failure {
        pub const fn new(error_type: &'static str, sentence: &'static str) -> Self {}
        pub const fn exit_code(self, exit_code: i32) -> Self {}
        pub const fn of_user(self) -> Self {}
    }

    #[derive(Debug)]
    pub struct Recording;
    impl Recording {
        pub fn environment(&self) -> Option<(&'static str, String)> {}
        pub fn finish(mut self, failure: impl Into<Option<Failure>>) {}
    }
    impl Drop for Recording {}
    "#);
}

#[test]
fn the_recorders_types_go_wherever_a_program_has_its_own() {
    const fn anywhere<T: Send + Sync + Unpin + 'static>() {}
    anywhere::<Recorder>();
    anywhere::<Recording>();
    anywhere::<Failure>();
}
