//! All texts of a definition, keys and values, each with its place.

use super::super::definition::Definition;
use super::super::json::Json;

/// Most texts of one definition.
const TEXTS_MAX: usize = 4096;

/// A text that a model reads.
pub(super) struct Text {
    pub pointer: String,
    pub text: String,
}

pub(super) struct Texts(pub Vec<Text>);

impl Texts {
    pub(super) fn of(tool: &Definition) -> Self {
        let mut texts = Self(Vec::new());
        match (tool.json(), &tool.text) {
            (Some(json), _) => texts.collect(&mut String::new(), &json),
            (None, Some(text)) => texts.add("", text),
            (None, None) => {}
        }
        texts
    }

    fn collect(&mut self, pointer: &mut String, value: &Json) {
        let length = pointer.len();
        match value {
            Json::Text(text) => self.add(pointer, text),
            Json::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    pointer.push_str(&format!("/{i}"));
                    self.collect(pointer, item);
                    pointer.truncate(length);
                }
            }
            Json::Object(members) => {
                for (key, value) in members {
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    // A key can say as much as a text.
                    self.add(pointer, key);
                    self.collect(pointer, value);
                    pointer.truncate(length);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn add(&mut self, pointer: &str, text: &str) {
        if self.0.len() < TEXTS_MAX {
            self.0.push(Text {
                pointer: pointer.into(),
                text: text.into(),
            });
        }
    }
}

/// A letter that is read as another one, as the letter it is read as.
pub(super) fn plain_letter(c: char) -> char {
    match c {
        // Wide forms of ASCII.
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        'а' | 'А' | 'α' | 'Α' | 'ɑ' => 'a',
        'В' | 'Β' | 'ь' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'Ε' | 'ё' => 'e',
        'ɡ' => 'g',
        'һ' | 'Н' | 'Η' => 'h',
        'і' | 'І' | 'Ι' | 'ι' | 'ı' => 'i',
        'ј' | 'Ј' => 'j',
        'К' | 'к' | 'Κ' | 'κ' => 'k',
        'ӏ' | 'Ӏ' => 'l',
        'М' | 'м' | 'Μ' => 'm',
        'Ν' | 'ո' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'օ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' | 'Ѕ' => 's',
        'Т' | 'т' | 'Τ' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' | 'Υ' | 'ү' => 'y',
        'Ζ' => 'z',
        c => c,
    }
}
