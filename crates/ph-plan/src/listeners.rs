//! The two listeners: TLS, and who may reach what nobody guards.

use ph_base::diagnostic::Problem;

use crate::checked::FilePath;
use crate::choices::AdminAuth;
use crate::node::{Entry, Node};
use crate::plan::Plan;
use crate::reader::Reader;
use crate::section::section;

section! {
    /// TLS of a listener. The files are looked at every second; a pair that fits is taken for the connections that come
    /// next.
    pub struct Tls {
        /// PEM file of the certificate, and of what leads from it to an authority.
        cert: Option<FilePath> = None;
        /// PEM file of its private key.
        key: Option<FilePath> = None;
        /// PEM file of the authorities that have to have signed a client's certificate. Without it none is asked for.
        client_ca: Option<FilePath> = None;
    }
}

impl Plan {
    /// Whether anybody on the network could read the record, and change what runs. To be asked again whenever
    /// `admin.listen` is set from elsewhere than the text.
    ///
    /// # Errors
    /// [`Problem::Unsafe`] for an admin listener beyond loopback that asks nobody who he is.
    pub fn check_admin(&self) -> Result<(), Problem> {
        let is_guarded =
            self.admin.auth == AdminAuth::Keys || asks_for_certificates(self.admin.tls.as_ref());
        match self.admin_address() {
            Some(address) if !address.ip().is_loopback() && !is_guarded => {
                Err(Problem::Unsafe { what: UNREAD })
            }
            _ => Ok(()),
        }
    }

    /// Whether anybody on the network could call the servers unchecked. To be asked again
    /// whenever `listen` is set from elsewhere than the text.
    ///
    /// # Errors
    /// [`Problem::Unsafe`] for a listener beyond loopback without `auth`, or with `anonymous: allow`, that asks for no
    /// certificates of clients either.
    pub fn check_exposure(&self) -> Result<(), Problem> {
        let is_guarded = !self.auth.lets_anybody_in() || asks_for_certificates(self.tls.as_ref());
        if self.listen.ip().is_loopback() || is_guarded {
            Ok(())
        } else {
            Err(Problem::Unsafe { what: UNCHECKED })
        }
    }
}

fn asks_for_certificates(tls: Option<&Tls>) -> bool {
    tls.is_some_and(|tls| tls.client_ca.is_some())
}

const UNCHECKED: &str = "anybody who reaches this address could call the servers";

const UNREAD: &str =
    "anybody who reaches this address could read the record of every call, and change what runs";

const EXPOSED_HINT: &str = "listen on 127.0.0.1, or have callers checked: `auth: {api_keys: true}`, or `auth: external` where a mesh or proxy does it";

const ADMIN_HINT: &str = "give it a loopback address such as `127.0.0.1:3001`, or say `admin.auth: keys` and make a key with `pilothouse keys create --role viewer NAME`";

/// Whether the listeners can be reached by whom they should not, and whether their TLS is whole.
pub(crate) fn check(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    // The default is not exposed: the address was written.
    if let (Err(problem), Some(entry)) = (plan.check_exposure(), root.entry("listen")) {
        reader.within(entry, |reader| {
            reader.report_with(&entry.value.at, problem, Some(EXPOSED_HINT.to_owned()));
        });
    }
    let admin = root.entry("admin");
    let listen = admin.and_then(|block| Some((block, block.value.entry("listen")?)));
    if let (Err(problem), Some((block, entry))) = (plan.check_admin(), listen) {
        reader.within(block, |reader| {
            reader.within(entry, |reader| {
                reader.report_with(&entry.value.at, problem, Some(ADMIN_HINT.to_owned()));
            });
        });
    }
    // What could not be read is not missing.
    if reader.has_error() {
        return;
    }
    if let (Some(tls), Some(entry)) = (&plan.tls, root.entry("tls")) {
        check_tls(tls, entry, reader);
    }
    let of_admin = admin.and_then(|block| Some((block, block.value.entry("tls")?)));
    if let (Some(tls), Some((block, entry))) = (&plan.admin.tls, of_admin) {
        reader.within(block, |reader| check_tls(tls, entry, reader));
    }
}

/// A certificate needs its key, and the other way round.
fn check_tls(tls: &Tls, entry: &Entry, reader: &mut Reader<'_>) {
    let fields: &'static [&'static str] = match (&tls.cert, &tls.key) {
        (Some(_), Some(_)) => return,
        (Some(_), None) => &["key"],
        (None, _) => &["cert"],
    };
    reader.within(entry, |reader| {
        reader.report(&entry.key_at, Problem::MissingField { fields });
    });
}
