// Where the library is that puts a program's clock back (Debian: faketime), if it is there.
import { existsSync } from "node:fs";
import { join } from "node:path";

const PLACES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];
export const FAKETIME = PLACES.map((place) => join(place, "faketime/libfaketimeMT.so.1")).find((path) => existsSync(path));
