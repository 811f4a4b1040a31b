#!/usr/bin/env node
// Validates FHIR R4 resources: structure, types, cardinalities and required codes, by the definitions in the package "fhir"; and of a
// Bundle what that package does not look at: that full URLs are there and differ, and that what refloop made points to something in it.
//
//   node validate.mjs FILE...     or JSON on standard input; prints each error; exit 1 when there was one, 2 when nothing could be read
import { readFileSync } from "node:fs";
import fhir from "fhir";

const validator = new fhir.Fhir();

// References of the resources refloop made itself; what came from elsewhere may point outside.
function* references(value) {
  if (Array.isArray(value)) for (const element of value) yield* references(element);
  else if (value && typeof value === "object") {
    if (typeof value.reference === "string") yield value.reference;
    for (const member of Object.values(value)) yield* references(member);
  }
}

function bundleErrors(bundle) {
  const errors = [];
  const known = new Set();
  for (const [i, { fullUrl, resource }] of bundle.entry.entries()) {
    if (!fullUrl) errors.push(`entry[${i}]: no fullUrl`);
    if (known.has(fullUrl)) errors.push(`entry[${i}]: ${fullUrl} is there twice`);
    known.add(fullUrl);
    if (resource?.id) known.add(`${resource.resourceType}/${resource.id}`);
  }
  const task = bundle.entry[0]?.resource;
  if (task?.resourceType !== "Task") errors.push("the first entry is no Task");
  for (const { resource } of bundle.entry) {
    if (resource !== task && !resource?.id?.startsWith("refloop-")) continue;
    for (const reference of references(resource))
      if (!known.has(reference)) errors.push(`${resource.resourceType}: ${reference} is not in the Bundle`);
  }
  return errors;
}

function check(name, text) {
  const resource = JSON.parse(text);
  const { messages } = validator.validate(resource, { errorOnUnexpected: true });
  const errors = messages
    .filter(({ severity }) => severity === "error" || severity === "fatal")
    .map(({ location, resourceId, message }) => `${resourceId} ${location}: ${message}`);
  if (resource.resourceType === "Bundle" && resource.type === "collection") errors.push(...bundleErrors(resource));
  for (const error of errors) console.log(`${name}: ${error}`);
  return errors.length === 0;
}

const names = process.argv.slice(2);
let bad = 0;
try {
  for (const name of names.length > 0 ? names : ["-"]) if (!check(name, readFileSync(name === "-" ? 0 : name, "utf8"))) bad++;
} catch (error) {
  console.error(error.message);
  process.exit(2);
}
console.log(`${Math.max(names.length, 1) - bad} valid, ${bad} not`);
process.exit(bad > 0 ? 1 : 0);
