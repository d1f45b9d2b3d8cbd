// What a board's health says, in cards.

import { throttlingWords, alarms as alarmWording } from "../catalogue/alarms";
import { board as boardWording, wordOf } from "../catalogue/board";
import { device as wording } from "../catalogue/device";
import { local } from "../catalogue/format";
import { gate } from "../catalogue/live";
import { say, type Phrase } from "../catalogue/phrase";
import { dropped } from "../alarms";
import { VERDICTS, type HealthMessage, type Incident } from "../messages/health";
import { Facts, type Fact } from "../ui/facts";
import { DriftCard } from "./drift-card";
import { bytesWords, cameraWords } from "./words";
import { focusFigure } from "../live/words";

const MEGABYTE = 1e6;

const orNull = <T,>(value: T | null, said: (value: T) => string): string | null => (value === null ? null : said(value));
const n = (value: number): string => local().integer(value);
const megabytes = (mb: number): string => bytesWords(mb * MEGABYTE);

function Card({ title, facts, children }: { title: Phrase<string>; facts: readonly Fact[]; children?: preact.ComponentChildren }) {
  return (
    <section class="card">
      <h2>{say(title)}</h2>
      <Facts facts={facts} />
      {children}
    </section>
  );
}

function Camera({ camera: c, fields }: HealthMessage) {
  return (
    <Card
      title={wording.camera}
      facts={[
        [wording.state, cameraWords(c.state).text],
        [wording.trouble, c.trouble],
        [wording.source, c.source],
        [wording.format, c.format],
        [wording.rate, orNull(c.fieldsPerMinute, (rate) => say(wording.perMinute, rate))],
        [wording.frames, n(c.frames)],
        [wording.lostFrames, n(c.lostFrames)],
        [wording.faultyFrames, n(c.faultyFrames)],
        [wording.reopened, say(wording.times, c.reopened)],
        [wording.focus, orNull(fields.focus, focusFigure)],
      ]}
    />
  );
}

function Fields({ fields: f }: HealthMessage) {
  const { gated } = f;
  return (
    <Card
      title={wording.fields}
      facts={[
        [wording.analysed, n(f.analysed)],
        [wording.repeats, n(f.repeats)],
        [wording.uncertain, n(f.uncertainOverlaps)],
      ]}
    >
      <h3>{say(wording.gated)}</h3>
      {gated ? (
        <Facts
          facts={VERDICTS.map((verdict) => [gate.verdicts.get(verdict) ?? { en: verdict, fr: verdict }, n(gated[verdict])])}
        />
      ) : (
        <p class="quiet">{say(wording.notGated)}</p>
      )}
    </Card>
  );
}

function Results({ store: s, drops }: HealthMessage) {
  return (
    <Card
      title={wording.results}
      facts={[
        [wording.storedOn, say(wordOf(wording.stores, s.state))],
        [wording.trouble, s.trouble],
        [wording.pending, say(wording.pendingSize, s.pending, bytesWords(s.pendingBytes))],
        [wording.resendable, n(s.kept)],
        [wording.lastSeq, n(s.lastSeq)],
        [wording.drops, dropped(drops) === 0 ? say(wording.none) : say(alarmWording.drops, drops)],
        [wording.setAside, s.setAside.length === 0 ? say(wording.none) : s.setAside.join(", ")],
      ]}
    />
  );
}

function incidentWords(incident: Incident | null): string {
  return incident ? say(wording.incident, local().time(incident.at), incident.reason) : say(wording.never);
}

function Connection({ broker: b }: HealthMessage) {
  return (
    <Card
      title={wording.connection}
      facts={[
        [wording.connections, n(b.connections)],
        [wording.acknowledged, n(b.acknowledged)],
        [wording.refused, n(b.refused)],
        [wording.lastRefusal, incidentWords(b.lastRefusal)],
        [wording.lastLoss, incidentWords(b.lastLoss)],
      ]}
    />
  );
}

function Machine({ temperatureC, throttled, memoryMb, diskFreeMb, writtenMb, cells }: HealthMessage) {
  const slowed = orNull(throttled, (causes) => (causes.length > 0 ? throttlingWords(causes) : say(wording.notThrottled)));
  return (
    <Card
      title={wording.machine}
      facts={[
        [wording.temperature, orNull(temperatureC, (celsius) => say(boardWording.celsius, celsius))],
        [wording.throttling, slowed],
        [wording.memory, orNull(memoryMb, megabytes)],
        [wording.diskFree, orNull(diskFreeMb, megabytes)],
        [wording.written, orNull(writtenMb, megabytes)],
        [wording.kept, cells ? say(wording.keptOf, cells.kept, cells.reviewed) : say(wording.notKept)],
        [wording.keptRoom, orNull(cells, (c) => say(wording.roomOf, bytesWords(c.bytes), bytesWords(c.maxBytes)))],
        [wording.trouble, cells?.trouble ?? null],
      ]}
    />
  );
}

export function HealthCards({ health }: { health: HealthMessage }) {
  return (
    <>
      <Camera {...health} />
      <Fields {...health} />
      {health.drift && <DriftCard drift={health.drift} />}
      <Results {...health} />
      <Connection {...health} />
      <Machine {...health} />
    </>
  );
}
