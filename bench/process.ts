/** What processes cost, from `/proc`: a process is counted with its descendants, since some gateways fork workers. */
import { readdirSync, readFileSync } from "node:fs"

interface Stat {
  readonly pid: number
  readonly parent: number
  /** User and system time in microseconds, that of children which have ended included. The kernel counts in hundredths of a second. */
  readonly cpu: number
}

const read = (pid: number | string): ReadonlyArray<Stat> => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The name of the program, in parentheses, can contain spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0)
    return [{ pid: Number(pid), parent: Number(fields[1]), cpu: ticks * 10_000 }]
  } catch {
    // The process ended between the listing and the reading.
    return []
  }
}

/** A process and its descendants. */
const family = (pid: number): ReadonlyArray<Stat> => {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap(read)
  const found = all.filter((stat) => stat.pid === pid)
  for (const stat of found) found.push(...all.filter(({ parent }) => parent === stat.pid))
  return found
}

/** CPU time in microseconds that a process and its descendants have used since they started. */
export const cpuMicros = (pid: number) => family(pid).reduce((sum, { cpu }) => sum + cpu, 0)

const resident = (pid: number) => {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** Resident set size of a process and its descendants in MiB. Pages that they share count for each of them. */
export const residentMegabytes = (pid: number) => family(pid).reduce((sum, stat) => sum + resident(stat.pid), 0)

/** Kills a process and its descendants. */
export const killAll = (pid: number) => {
  for (const stat of family(pid)) {
    try {
      process.kill(stat.pid, "SIGKILL")
    } catch {
      // It has ended.
    }
  }
}
