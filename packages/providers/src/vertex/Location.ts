/**
 * Vertex AI's locations: `global`, the multi-regions `us` and `eu`, and regions such as `us-east5`; and the paths of their
 * APIs.
 */

/** Whether a text can be a part of a host name: a location. */
export const isLocation = (text: string): boolean => /^[a-z](?:[a-z\d-]{0,40}[a-z\d])?$/.test(text)

/** Whether a text can be the id or the number of a project, also of a domain: `example.com:project`. */
export const isProject = (text: string): boolean => /^[a-z\d](?:[a-z\d.:-]{0,60}[a-z\d])?$/.test(text)

/** The address of a location's API. */
export const addressOf = (location: string): string => {
  if (location === "global") return "https://aiplatform.googleapis.com"
  return multiRegions.has(location)
    ? `https://aiplatform.${location}.rep.googleapis.com`
    : `https://${location}-aiplatform.googleapis.com`
}

const multiRegions: ReadonlySet<string> = new Set(["us", "eu"])

/** The path of a project's resources in a location, such as `/v1/projects/search/locations/global`. */
export const parentOf = (version: string, project: string, location: string): string =>
  `/${version}/projects/${encodeURIComponent(project)}/locations/${location}`
