// The settings of a view, the server that they describe, and its passes one by one.

import { exact, memory, phrase, phrases, plural } from "./language.mjs";
import { CHECKS } from "./server_controls.mjs";
import { timeText } from "./server_drawing.mjs";
import { MOST_BLOCKS } from "./server_pool.mjs";
import { ServerSimulation } from "./server_simulation.mjs";

/** @import { ServerSimulation as Simulation, TimedStep } from "./server_simulation.mjs" */
/** @import { Arrival, Device, KeyOf, Server, ServerRecord, ServerSettings } from "./types" */

/** @typedef {ServerSettings & { spec: ServerRecord, machine: Device }} View usable settings */
/** @typedef {Pick<TimedStep, "numNew" | "again">} ShownStep */

/** @type {Record<string, string>} */
export const POLICY_NAMES = phrases("server.policies");
export const POLICIES = Object.keys(POLICY_NAMES);

/**
 * The step of a run that has none.
 *
 * @type {ShownStep}
 */
const NOTHING = { numNew: new Map(), again: new Set() };

/**
 * A function that makes settings usable, whatever a link or a kernel put there.
 *
 * @param {object} options
 * @param {KeyOf<ServerSettings>[]} options.keys of numbers
 * @param {ServerRecord[]} options.models
 * @param {Device[]} options.devices
 */
export function settingsReader({ keys: numbers, models, devices }) {
  /**
   * @param {(key: KeyOf<ServerSettings>) => unknown} get
   * @returns {View}
   */
  return function viewOf(get) {
    const all = Object.fromEntries([...numbers, ...CHECKS].map((key) => [key, get(key)]));
    const spec = models.find(({ name }) => name === get("model")) ?? models[0];
    const machine = devices.find(({ name }) => name === get("device")) ?? devices[0];
    const policy = POLICIES.find((name) => name === get("policy")) ?? POLICIES[0];
    const chosen = { spec, machine, policy, model: spec.name, device: machine.name };
    return /** @type {View} */ ({ ...all, ...chosen });
  };
}

/**
 * The server of a view, with one of the policies; as ServerExplorer.server.
 *
 * @param {View} view
 * @param {string} policy
 * @returns {Server}
 */
export function serverOf(view, policy) {
  const isOne = policy === POLICIES[0];
  return {
    ...view,
    model: view.spec,
    device: view.machine,
    num_blocks: Math.min(Math.floor(view.cache_tokens / view.block_size) || 1, MOST_BLOCKS),
    max_running: isOne ? 1 : view.max_running,
    max_tokens_per_step: Math.max(view.max_tokens_per_step, view.max_running),
    policy: isOne ? "continuous" : policy,
  };
}

/**
 * A run that stands at a pass: it goes on from there, and begins again where it must go back.
 *
 * @param {Arrival[]} arrivals
 * @param {Server} server
 */
export function standing(arrivals, server) {
  /** @type {Simulation} */
  let simulation;
  /** @type {ReturnType<Simulation["steps"]>} */
  let steps;
  /** @type {ShownStep} */
  let step = NOTHING;
  let at = Number.POSITIVE_INFINITY;
  return function go(/** @type {number} */ index) {
    if (index < at) {
      simulation = new ServerSimulation(arrivals, server);
      steps = simulation.steps();
      at = -1;
    }
    for (; at < index; at += 1) step = steps.next().value ?? NOTHING;
    return { simulation, step };
  };
}

/**
 * A pass in words: when, what it computes, and what its time is spent on.
 *
 * @param {Simulation} simulation
 * @param {number} index
 */
export function passInWords({ passes, server }, index) {
  const pass = passes[index];
  if (!pass) return phrase("server.no_pass");
  const { bytes_per_second: bandwidth, operations_per_second: peak } = server.device;
  const [moving, computing] = [pass.numBytes / bandwidth, pass.operations / peak];
  const tokens = plural("server.work_tokens", pass.numTokens);
  const said = {
    pass: exact(index + 1),
    passes: exact(passes.length),
    time: timeText(pass.start),
    work: plural("server.work_requests", pass.numRunning, { tokens }),
    bytes: memory(pass.numBytes),
    moving: timeText(moving),
    computing: timeText(computing),
  };
  return moving >= computing
    ? phrase("server.moving_first", said)
    : phrase("server.computing_first", said);
}
