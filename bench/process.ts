/** What processes cost, from `/proc`: a process is counted with its descendants, since some gateways fork workers. */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

interface Stat {
  readonly pid: number
  readonly parent: number
  /** User and system time in microseconds, that of children which have ended included. */
  readonly cpu: number
}

/** What the threads of a process have run, in microseconds. Its own total has the kernel's steps of 10 ms. */
const threads = (pid: number | string): number => {
  const tasks = readdirSync(`/proc/${pid}/task`)
  return tasks.reduce((sum, task) => {
    const [nanos] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")
    return sum + Number(nanos) / 1000
  }, 0)
}

const read = (pid: number | string): ReadonlyArray<Stat> => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The name of the program, in parentheses, can contain spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const children = (Number(fields[13]) + Number(fields[14])) * 10_000
    return [{ pid: Number(pid), parent: Number(fields[1]), cpu: threads(pid) + children }]
  } catch {
    // The process or a thread of it ended between the listing and the reading.
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

/** Runs all threads of a process on one core from now on. Throws where the system has no `taskset`. */
export const bindTo = (core: number, pid: number) => {
  const { error, status, stderr } = spawnSync("taskset", ["-a", "-p", "-c", `${core}`, `${pid}`], { encoding: "utf8" })
  if (error !== undefined || status !== 0) throw new Error(`taskset failed: ${error?.message ?? stderr.trim()}`)
}

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
