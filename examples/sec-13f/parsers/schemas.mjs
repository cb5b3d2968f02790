// The SEC's own schemas decide what a filing in XML may be.
import { readFileSync } from 'node:fs';
import { ParseOption, XmlBufferInputProvider, XmlDocument, XsdValidator, xmlRegisterInputProvider } from './libxml2.mjs'; // prettier-ignore

const FILES = {
  'eis_13F_Filer.xsd': new URL('../schemas/eis_13F_Filer.xsd', import.meta.url),
  'eis_13FDocument.xsd': new URL('../schemas/eis_13FDocument.xsd', import.meta.url),
  'eis_Common.xsd': new URL('../schemas/eis_Common.xsd', import.meta.url),
  'eis_stateCodes.xsd': new URL('../schemas/eis_stateCodes.xsd', import.meta.url),
};
/** By the root element: the cover page with the summary, and the information table. */
const SCHEMAS = { edgarSubmission: 'eis_13F_Filer.xsd', informationTable: 'eis_13FDocument.xsd' };
const SHOWN = 3;

let validators;

/**
 * Throws with the first faults, each with its line in the submission, when XML is none of the SEC's. No entity is replaced and no file opened, whatever
 * a document type says.
 *
 * @param {string} xml
 * @param {number} line of the submission where the XML begins, from 1
 */
export function assertValid(xml, line) {
  validators ??= openValidators();
  let document;
  try {
    document = XmlDocument.fromString(xml, { option: ParseOption.XML_PARSE_NONET | ParseOption.XML_PARSE_BIG_LINES });
    const validator = validators.get(document.root.name);
    if (validator === undefined) throw new Error(`the XML is a ${document.root.name}, expected an informationTable or an edgarSubmission`); // prettier-ignore
    validator.validate(document);
  } catch (error) {
    if (error.details === undefined) throw error;
    const faults = error.details.map((fault) => `line ${line - 1 + fault.line}: ${plain(fault.message)}`);
    const more = faults.length > SHOWN ? ` (and ${faults.length - SHOWN} more)` : '';
    throw new Error(`the XML is not what the SEC's schema says: ${faults.slice(0, SHOWN).join(' ')}${more}`);
  } finally {
    document?.dispose();
  }
}

function openValidators() {
  const files = Object.fromEntries(Object.entries(FILES).map(([name, url]) => [name, readFileSync(url)]));
  // What schemas import is taken from here.
  xmlRegisterInputProvider(new XmlBufferInputProvider(files));
  return new Map(
    Object.entries(SCHEMAS).map(([root, name]) => {
      const schema = XmlDocument.fromBuffer(files[name], { url: name });
      return [root, XsdValidator.fromDoc(schema)];
    }),
  );
}

/** Without the address of the namespace before each name. */
function plain(message) {
  return message.replaceAll(/\{[^}]*\}/g, '').trim();
}
