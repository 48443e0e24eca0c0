// Texts that could deceive whoever reads them: markup, escape sequences of terminals, marks that turn the direction, length.
export const MARKUP = '<img src=x onerror="window.caught=1"><script>window.caught=1</script>';
export const HOSTILE = `\u001b[31m${MARKUP}\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007 \u202egnp.exe \u2066x`;
export const LONG = "A".repeat(1024 * 1024);
