/** The files of a gateway with several workers: each writes its own. */
import { extname } from "node:path"

/** The file of a worker: for the first the file itself, for the second `usage.2.log`. */
export const of = (file: string, worker: number): string => {
  if (worker === 1) return file
  const extension = extname(file)
  return `${file.slice(0, file.length - extension.length)}.${worker}${extension}`
}
