//! What an image of Pilothouse is built from.

use ph_plan::{Plan, Upstream};

use crate::file::{File, MARK};
use crate::kubernetes::{config, container};

/// Has the C library and certificates, no shell, and a user that is not root.
const BASE: &str = "gcr.io/distroless/cc-debian12:nonroot";

pub(crate) fn containerfile(plan: &Plan) -> File {
    let commands: Vec<_> = plan
        .servers
        .iter()
        .filter_map(|(name, server)| match &server.upstream {
            Upstream::Stdio(stdio) => Some(format!("{name} ({})", stdio.command)),
            Upstream::Http(_) => None,
        })
        .collect();
    let of_commands = if commands.is_empty() {
        String::new()
    } else {
        format!(
            "# These servers are commands, and the base has to have them: {}.\n",
            commands.join(", ")
        )
    };
    let text = format!(
        "\
# The image of Pilothouse. Written by `{MARK} kubernetes`. Beside this file: the program, as `pilothouse`.
#   podman build --build-arg BASE=NAME@sha256:DIGEST --tag REGISTRY/pilothouse:VERSION .
{of_commands}# A tag can be moved: build with the digest of the base that you have looked at.
ARG BASE={BASE}
FROM ${{BASE}}
COPY --chmod=0755 pilothouse /usr/local/bin/pilothouse
USER {user}:{user}
EXPOSE {port}
STOPSIGNAL SIGTERM
ENTRYPOINT [\"/usr/local/bin/pilothouse\"]
CMD [\"run\", \"--config\", \"{path}\"]
",
        user = container::USER,
        port = plan.listen.port(),
        path = config::PATH,
    );
    File::new("Containerfile", text)
}
