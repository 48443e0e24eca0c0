//! A test for the server's own suite: the call that worked, and that it must not work again.

use serde_json::Value;

use super::{Class, Probe};

/// What the test is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// Jest.
    Jest,
    /// Vitest.
    Vitest,
    /// pytest, with anyio.
    Pytest,
}

impl Framework {
    /// Its word on the command line.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Some(match word {
            "jest" => Self::Jest,
            "vitest" => Self::Vitest,
            "pytest" => Self::Pytest,
            _ => return None,
        })
    }

    /// What the file is called.
    #[must_use]
    pub fn file(self, class: Class) -> String {
        let word = class.word();
        match self {
            Self::Jest | Self::Vitest => format!("{word}.regression.test.mjs"),
            Self::Pytest => format!("test_{}_regression.py", word.replace('-', "_")),
        }
    }
}

/// The file. `command`: how the server is started.
///
/// Prototype pollution is for Jest and Vitest, path traversal for pytest: none for anything else.
#[must_use]
pub fn regression(
    framework: Framework,
    class: Class,
    command: &[String],
    probe: &Probe,
) -> Option<String> {
    match (framework, class) {
        (Framework::Jest | Framework::Vitest, Class::PrototypePollution) => {
            Some(javascript(framework, command, probe))
        }
        (Framework::Pytest, Class::PathTraversal) => Some(python(command, probe)),
        _ => None,
    }
}

/// The server looks at its own prototype: nothing else can see it from outside.
fn javascript(framework: Framework, command: &[String], probe: &Probe) -> String {
    let import = match framework {
        Framework::Vitest => "import { expect, test } from 'vitest';\n",
        _ => concat!(
            "// Jest 30 runs it by `NODE_OPTIONS=--experimental-vm-modules npx jest`.\n",
            "import { expect, test } from '@jest/globals';\n",
        ),
    };
    let (program, args) = command
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    format!(
        r#"// {what} in the arguments of `{tool}` must not reach the prototype of all objects.
{import}import {{ mkdtempSync, writeFileSync }} from 'node:fs';
import {{ tmpdir }} from 'node:os';
import {{ join }} from 'node:path';
import {{ Client }} from '@modelcontextprotocol/sdk/client/index.js';
import {{ StdioClientTransport }} from '@modelcontextprotocol/sdk/client/stdio.js';

const MARK = {mark};
const TOOL = {tool_json};
const ARGUMENTS = JSON.parse({arguments});
// Loaded into the server before its own code.
const LOOK = `const look = () => {{
  if (Object.prototype[${{JSON.stringify(MARK)}}] !== undefined) process.stderr.write('POLLUTED\\n');
}};
setInterval(look, 10).unref();
process.on('exit', look);`;

test('{tool} leaves the prototype alone', async () => {{
  const look = join(mkdtempSync(join(tmpdir(), 'regression-')), 'look.cjs');
  writeFileSync(look, LOOK);
  const transport = new StdioClientTransport({{
    command: {program},
    args: {args},
    env: {{ ...process.env, NODE_OPTIONS: `--require=${{look}}` }},
    stderr: 'pipe',
  }});
  let said = '';
  transport.stderr.on('data', (chunk) => {{ said += chunk; }});
  const client = new Client({{ name: 'regression', version: '1.0.0' }});
  await client.connect(transport);
  await client.callTool({{ name: TOOL, arguments: ARGUMENTS }}).catch(() => {{}});
  await new Promise((resolve) => setTimeout(resolve, 200));
  await client.close();
  expect(said).not.toContain('POLLUTED');
}}, 30_000);
"#,
        what = probe.what,
        tool = word(&probe.tool),
        mark = text(&probe.mark),
        tool_json = text(&probe.tool),
        arguments = text(&Value::Object(probe.arguments.clone()).to_string()),
        program = text(program),
        args = list(args),
    )
}

/// A file of the test's own takes the place of the one that was read.
fn python(command: &[String], probe: &Probe) -> String {
    let (program, args) = command
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let argument = probe
        .at
        .trim_start_matches('/')
        .replace("~1", "/")
        .replace("~0", "~");
    format!(
        r#""""{what} in `{argument_shown}` of `{tool}` must not read a file outside of what the server may read."""

import json
import uuid

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

TOOL = {tool_json}
ARGUMENTS = json.loads({arguments})


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_outside_is_not_read(tmp_path):
    secret = uuid.uuid4().hex
    outside = tmp_path / "outside.txt"
    outside.write_text(secret)
    arguments = {{**ARGUMENTS, {argument}: str(outside)}}
    server = StdioServerParameters(command={program}, args={args})
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            result = await session.call_tool(TOOL, arguments)
    assert secret not in result.model_dump_json()
"#,
        what = capital(probe.what),
        argument_shown = word(&argument),
        argument = text(&argument),
        tool = word(&probe.tool),
        tool_json = text(&probe.tool),
        arguments = text(&Value::Object(probe.arguments.clone()).to_string()),
        program = text(program),
        args = list(args),
    )
}

/// A literal of both languages: JSON's, in ASCII.
fn text(text: &str) -> String {
    let mut literal = String::new();
    for c in Value::from(text).to_string().chars() {
        if c.is_ascii() && c != '\x7f' {
            literal.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                literal.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    literal
}

fn list(texts: &[String]) -> String {
    let literals: Vec<_> = texts.iter().map(|one| text(one)).collect();
    format!("[{}]", literals.join(", "))
}

/// A name of the server's, for a comment or a title.
fn word(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "_-.".contains(c) {
            c
        } else {
            '?'
        }
    };
    name.chars().take(64).map(plain).collect()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
