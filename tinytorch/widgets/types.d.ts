// What several modules of figures take and give: the host's part, and the records that Python sends.

type Catalogue = typeof import("./languages/en.json");

/** The keys of phrases that are like a value: "group.name". */
type KeyLike<Value> = {
  [Group in keyof Catalogue & string]: {
    [Name in keyof Catalogue[Group] & string]: Catalogue[Group][Name] extends Value
      ? `${Group}.${Name}`
      : never;
  }[keyof Catalogue[Group] & string];
}[keyof Catalogue & string];

export type PhraseKey = KeyLike<string>;
export type PluralKey = KeyLike<{ other: string }>;
export type TableKey = Exclude<KeyLike<object>, PluralKey>;

export type TableOf<Key extends string> = Key extends `${infer Group}.${infer Name}`
  ? Group extends keyof Catalogue
    ? Name extends keyof Catalogue[Group]
      ? Catalogue[Group][Name]
      : never
    : never
  : never;

/** The inclusive ends of a trait's range, by the trait's name. */
export type Limits = Record<string, [least: number, most: number]>;

/** A figure's traits, and what every figure has besides. */
export type Synced<State> = State & { first_view: Partial<State>; limits: Limits };

export type KeyOf<State> = keyof State & string;

/** The names of the traits that are numbers. */
export type NumberKey<State> = {
  [Key in KeyOf<State>]: State[Key] extends number ? Key : never;
}[KeyOf<State>];

/** What a view is told of the place where it is; Jupyter has none. No model, no address or size. */
export interface Site {
  engine: string | null;
  modelBytes: number | null;
  /** What was built when a recording was made: a page, or the figure alone. */
  built: "page" | "figure";
  /** Where the model comes from, if there is one. */
  from: string;
}

/** The part of a widget's model that a view uses: that of Jupyter, or PageModel of site.mjs. */
export interface WidgetModel<State> {
  get<Key extends KeyOf<Synced<State>>>(key: Key): Synced<State>[Key];
  set<Key extends KeyOf<State>>(key: Key, value: State[Key] | undefined): void;
  save_changes(): void;
  on<Message>(event: string, callback: (message: Message) => void): void;
  off<Message>(event: string, callback: (message: Message) => void): void;
  /** To the kernel, where there is one. */
  send?(content: unknown): void;
  site?: Site;
  /** The page's address with this view, where the host makes links. */
  viewLink?(): string;
}

/** What a view's `render` takes; the signal ends the view, as does what `render` returns. */
export interface ViewContext<State> {
  model: WidgetModel<State>;
  el: HTMLElement;
  signal?: AbortSignal;
}

/** The element of a name; names of SVG's elements begin with "svg:". */
export type ElementOf<Tag extends string> = Tag extends `svg:${infer Name}`
  ? Name extends keyof SVGElementTagNameMap
    ? SVGElementTagNameMap[Name]
    : SVGElement
  : Tag extends keyof HTMLElementTagNameMap
    ? HTMLElementTagNameMap[Tag]
    : HTMLElement;

/** Attributes, of which `null` and `false` remove one; functions are listeners. */
export type Attributes = Record<
  string,
  string | number | boolean | null | undefined | (() => unknown)
>;

export interface Range {
  least: number;
  most: number;
}

/** What a run's steps compute: a state has a colour of its own. */
export type State = "kept" | "now" | "again";

/** What a chart draws. */
export interface ChartData {
  /** Ascending; at least one. */
  x: number[];
  series: Series[];
  /** Level lines, each in the colour of the series `of`. */
  limits?: { name: string; y: number; of: number }[];
  xLabel: string;
  /** Of a power of ten and `yUnit`. */
  yLabel(unit: string): string;
  yUnit: string;
  log: boolean;
  xLog?: boolean;
  /** The text of a value of a series. */
  format(value: number | bigint): string;
}

export interface Series {
  name: string;
  y: (number | bigint)[];
  state?: State;
}

/** What a model's costs depend on: records.py, model_record. */
export interface ModelRecord {
  name: string;
  attention: string;
  num_layers: number;
  embed_dim: number;
  num_heads: number;
  num_kv_heads: number;
  head_dim: number;
  mlp_dim: number;
  vocab_size: number;
  num_parameters: number;
  /** Tokens. */
  max_context: number;
  /** Tokens that a layer with a window keeps. */
  window: number | null;
  num_windowed_layers: number;
  kv_elements_per_token_per_layer: number;
  mlp_matrices: number;
}

/** What the operations of a pass depend on. */
export type OperationSizes = Pick<
  ModelRecord,
  | "num_layers"
  | "embed_dim"
  | "num_heads"
  | "num_kv_heads"
  | "head_dim"
  | "mlp_dim"
  | "vocab_size"
  | "mlp_matrices"
>;

/** What the bytes of a cache depend on. */
export type CacheSizes = Pick<
  ModelRecord,
  "num_layers" | "num_windowed_layers" | "window" | "kv_elements_per_token_per_layer"
>;

/** A recorded run as columns, a row for each step: records.py, run_record. */
export interface Run {
  name: string;
  prompt_tokens: string[];
  num_layers: number;
  text: string[];
  /** Tokens in the cache. */
  seq_pos: number[];
  cache_bytes: number[];
  /** Multiply-adds. */
  operations_with_cache: number[];
  operations_without_cache: number[];
  ms: number[];
  ms_without_cache?: number[];
}

/** What a model's passes over several texts move: server_explorer.py, server_record. */
export interface ServerRecord extends ModelRecord {
  /** Elements that each pass reads. */
  read_elements: number;
  /** Elements that each new token's rows add. */
  row_elements: number;
}

export interface Device {
  name: string;
  bytes_per_second: number;
  operations_per_second: number;
}

/** What tells requests apart: the arguments of server_workload. */
export interface WorkloadSettings {
  seed: number;
  num_requests: number;
  /** Requests in a second, in the mean. */
  rate: number;
  /** Tokens, as all lengths. */
  mean_prompt: number;
  mean_answer: number;
  system_length: number;
  long_prompt: number;
  all_at_once: boolean;
  timestamp_first: boolean;
  same_question: boolean;
}

/** What the scheduler decides by. */
export interface SchedulerSettings {
  policy: string;
  max_running: number;
  max_tokens_per_step: number;
  share_prefixes: boolean;
  reserve_longest: boolean;
}

/** A simulated server. */
export interface Server extends SchedulerSettings {
  model: ServerRecord;
  device: Device;
  num_blocks: number;
  /** Tokens in a block. */
  block_size: number;
}

/** What a reader sets in the server explorer. */
export interface ServerSettings extends WorkloadSettings, SchedulerSettings {
  model: string;
  device: string;
  cache_tokens: number;
  block_size: number;
  step: number;
  selected: number;
}

/** The traits of the server explorer. */
export interface ServerState extends ServerSettings {
  models: ServerRecord[];
  devices: Device[];
  scenarios: Record<string, Scenario>;
  scenario: string;
}

export interface Scenario {
  /** A key of METRICS in server_numbers.mjs: the number to beat. */
  metric: string;
  values: Partial<ServerSettings>;
}

/** A request that comes. */
export interface Arrival {
  /** Seconds. */
  time: number;
  /** Token ids. */
  prompt: number[];
  maxNewTokens: number;
}
