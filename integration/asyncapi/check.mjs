// Reads an AsyncAPI document with AsyncAPI's own parser, which follows its references and checks it against the specification. Whatever
// the parser finds, down to a hint, is a failure.
import { Parser, fromFile } from '@asyncapi/parser'

const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse()
for (const found of diagnostics) {
  console.error(`${found.path.join('.')}: ${found.message} (${found.code})`)
}
if (!document || diagnostics.length > 0) {
  process.exit(1)
}
console.log(`${process.argv[2]}: ${document.channels().all().length} channels, ${document.operations().all().length} operations, ${document.messages().all().length} messages`)
