"""Rust source taken apart: strings, comments, items and calls, also where a careless reader would go wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_tick.investigation.rust_text import calls_around, code_of, end_of_call


def values(text: str) -> list[str]:
    return [literal.value for literal in code_of("a.rs", text).literals]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('f("a", "b")', ["a", "b"]),
        (r'f("a \" b")', ['a " b']),
        (r'f("tab\t \u{2014} \x41 \\ \q")', ["tab\t — A \\ q"]),
        ('f("over \\\n      lines")', ["over lines"]),
        ('f("over\nlines")', ["over\nlines"]),
        ('f(r"raw \\ {")', ["raw \\ {"]),
        ('f(r##"raw "# quote"##, b"bytes", br#"both"#, c"c")', ['raw "# quote', "bytes", "both", "c"]),
        ('let c = \'"\'; f("x")', ["x"]),
        (r"let c = '\''; let l: &'static str = " + '"x";', ["x"]),
        (r"let c = '\u{7b}'; f::<'a>('b', " + '"x")', ["x"]),
        ('// "no"\nf("x") /* "no" /* "nor" */ "this" */ + "y"', ["x", "y"]),
        ('f("never closed', ["never closed"]),
        ('f(r#"never closed"', ['never closed"']),
        ('/* never closed "x"', []),
        ('let for_ = r#type; f("x")', ["x"]),
        (r'f("\u{ffffff}")', ["\ufffd"]),
        ('"', [""]),
    ],
)
def test_strings_are_what_the_program_sees(text: str, found: list[str]) -> None:
    assert values(text) == found


@given(st.text(alphabet="\"'\\/*r#b{}()[];\n ax", max_size=60))
def test_whatever_is_read_keeps_its_offsets(text: str) -> None:
    code = code_of("a.rs", text)
    assert len(code.masked) == len(text)
    assert code.masked.count("\n") == text.count("\n")
    assert all(text[literal.start] in '"brc' for literal in code.literals)


ITEMS = """\
mod outer {
    impl<'a, T: Into<Vec<u8>>> fmt::Display for path::Type<'a, T> where T: Fn(u8) -> u8 {
        fn one(&self, each: [u8; { 2 + 1 }]) -> impl Iterator<Item = u8> + 'a {
            let open = "{"; let f: fn(u8) -> u8 = two; /*one*/
        }
        #[cfg(all(test, feature = "x"))]
        fn only_in_tests() { /*test*/ }
    }
    trait Trait {
        fn declared(&self);
        fn given(&self) { fn inner() { /*inner*/ } /*given*/ }
    }
    macro_rules! made { () => { /*made*/ } }
    const C: u8 = 1; /*const*/
}
#[cfg(not(test))]
mod real { fn three() { /*real*/ } }
#[cfg(test)]
mod tests { fn helper() { /*tests*/ } }
fn after() { /*after*/ }
#[tokio::test]
async fn tested() { /*tokio*/ }
fn unclosed() { /*unclosed*/
"""


@pytest.mark.parametrize(
    ("mark", "function", "is_test"),
    [
        ("one", "Type::one", False),
        ("test", "Type::only_in_tests", True),
        ("given", "Trait::given", False),
        ("inner", "Trait::inner", False),
        ("made", "made!", False),
        ("const", "", False),
        ("real", "three", False),
        ("tests", "helper", True),
        ("after", "after", False),
        ("tokio", "tested", True),
        ("unclosed", "unclosed", False),
    ],
)
def test_a_place_is_in_its_function_and_in_test_code_or_not(mark: str, function: str, is_test: bool) -> None:
    code = code_of("src/a.rs", ITEMS)
    at = ITEMS.index(f"/*{mark}*/")
    assert (code.function_at(at), code.is_test_at(at)) == (function, is_test)


@pytest.mark.parametrize(
    ("path", "is_test"),
    [
        ("crates/app/tests/scrape.rs", True),
        ("tests/it.rs", True),
        ("crates/app/src/tests.rs", True),
        ("crates/app/src/close_test.rs", True),
        ("crates/app/benches/close.rs", True),
        ("crates/app/src/latest.rs", False),
        ("crates/contests/src/lib.rs", False),
    ],
)
def test_files_of_tests_are_known_by_their_path(path: str, is_test: bool) -> None:
    assert code_of(path, "fn f() {}").is_test_at(3) is is_test


def test_an_item_without_braces_ends_with_the_braces_around_it() -> None:
    text = "fn outer() { quote! { pub fn made } let block = { /*here*/ }; }"
    assert code_of("a.rs", text).function_at(text.index("/*here*/")) == "outer"


def test_the_calls_around_a_place_are_told_from_the_inside() -> None:
    text = 'fn f() { outer(metrics :: counter!(names::X, [if (a) { "{" }]).increment::<u8>(v as f64)); }'
    code = code_of("a.rs", text)
    inner = calls_around(code, text.index("X"))
    assert [(call.name, call.is_macro, call.last) for call in inner] == [
        ("metrics::counter", True, "counter"),
        ("outer", False, "outer"),
    ]
    assert text[inner[0].start : end_of_call(code, inner[0].opened)].endswith("}])")
    assert [call.last for call in calls_around(code, text.index("v as"))] == ["increment", "outer"]
    assert [call.name for call in calls_around(code, text.index("a)"))] == ["", "", "metrics::counter", "outer"]


def test_brackets_that_never_close_end_somewhere() -> None:
    code = code_of("a.rs", "f(" + "x" * 100_000)
    assert end_of_call(code, 1) < 10_000
