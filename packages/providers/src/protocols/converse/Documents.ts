/**
 * The documents of a request: formats that Converse supports, and names it accepts.
 *
 * A name has letters, digits, hyphens, parentheses, brackets and single spaces, at most 200 characters, and must be
 * unique in the request ("Messages can't contain duplicate document names").
 */
import type * as Chat from "@understudy/core/Chat"
import * as TextDocument from "../TextDocument.ts"

/** Gives each document of one request a unique name, as close to its own as the API allows. */
export type Namer = (name: string | undefined) => string

export const namer = (): Namer => {
  const taken = new Set<string>()
  return (name) => {
    const base = sanitise(name ?? "")
    let unique = base
    for (let number = 2; taken.has(unique.toLowerCase()); number++) unique = `${base} ${number}`
    taken.add(unique.toLowerCase())
    return unique
  }
}

/** Leaves room for a number, and drops the extension, which the format repeats. */
const sanitise = (name: string): string => {
  const plain = name
    .replace(/\.\w{1,5}$/, "")
    .replaceAll(/[^a-zA-Z0-9\-()[\]]+/g, " ")
    .trim()
    .slice(0, 190)
    .trimEnd()
  return plain === "" ? "document" : plain
}

const byExtension: Readonly<Record<string, string>> = {
  csv: "csv",
  doc: "doc",
  docx: "docx",
  htm: "html",
  html: "html",
  json: "txt",
  md: "md",
  pdf: "pdf",
  txt: "txt",
  xls: "xls",
  xlsx: "xlsx",
}

const byMediaType: Readonly<Record<string, string>> = {
  "application/msword": "doc",
  "application/pdf": "pdf",
  "application/vnd.ms-excel": "xls",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "text/csv": "csv",
  "text/html": "html",
  "text/markdown": "md",
}

/** The API's format of a document; `txt` for any other text. */
export const format = (source: Chat.Source): string | undefined => {
  switch (source.type) {
    case "base64": {
      const mediaType = source.mediaType.toLowerCase().replace(/\s*;.*$/, "")
      return byMediaType[mediaType] ?? (TextDocument.isText(mediaType) ? "txt" : undefined)
    }
    case "url":
      return byExtension[extension(source.url)]
    case "id":
      return undefined
  }
}

/** `extension("s3://bucket/scan.PDF") === "pdf"` */
export const extension = (url: string): string => url.slice(url.lastIndexOf(".") + 1).toLowerCase()

/** `mediaType("pdf") === "application/pdf"`. Any other text format is `text/plain`. */
export const mediaType = (format: string): string => byFormat.get(format) ?? "text/plain"

const byFormat: ReadonlyMap<string, string> = new Map(
  Object.entries(byMediaType).map(([type, format]) => [format, type] as const),
)
