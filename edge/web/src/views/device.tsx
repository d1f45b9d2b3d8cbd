// One board: all that it tells of itself, and what it can be told to do.


import type { Asker } from "../ask";
import { CommandsCard } from "../board/commands-card";
import { HealthCards } from "../board/health-cards";
import { ModelCard } from "../board/model-card";
import { awayWords, cameraWords, seenWords, stateWords } from "../board/words";
import { alarmDetail, alarmWords } from "../catalogue/alarms";
import { board as boardWording } from "../catalogue/board";
import { common } from "../catalogue/common";
import { device as wording } from "../catalogue/device";
import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { showable } from "../config";
import { LEAVES, type Row } from "../fleet";
import { useHeard } from "../heard";
import { useNow } from "../hooks";
import { useSession } from "../session";
import "../styles/device.css";
import { Facts } from "../ui/facts";
import { Pill } from "../ui/pill";
import { Stale } from "../ui/stale";

const PAUSE_MS = 500;

/** A fleet of one. `row` is `null` until the board has told its state. */
function useBoard(device: string, now: number): { row: Row | null; problems: string[] } {
  const { fleet } = useHeard(
    LEAVES.map((leaf) => `smearscope/${device}/${leaf}`),
    PAUSE_MS,
  );
  return { row: fleet.rows(now)[0] ?? null, problems: [...fleet.problems.values()] };
}

function BoardCard({ row, now, broker, isConnected }: { row: Row; now: number; broker: string; isConnected: boolean }) {
  const { status, health } = row.board;
  const isOfThisStart = health?.bootId === status?.bootId;
  return (
    <section class="card" aria-labelledby="board-title">
      <div class="head">
        <h2 id="board-title">{say(wording.board)}</h2>
        <Pill saying={stateWords(row.state, isConnected)} />
      </div>
      <Facts
        facts={[
          [wording.name, row.board.name],
          [wording.heard, seenWords(row.seen, now)],
          [wording.camera, row.camera === null ? null : cameraWords(row.camera).text],
          [wording.version, status?.version ?? null],
          [wording.uptime, health && isOfThisStart ? say(boardWording.duration, health.uptimeS) : null],
          [wording.boot, status?.bootId ?? null],
          [wording.broker, broker],
        ]}
      />
    </section>
  );
}

function AlarmsCard({ alarms }: Row) {
  return (
    <section class="card" aria-labelledby="alarms-title">
      <h2 id="alarms-title">{say(wording.alarms)}</h2>
      {alarms.length === 0 ? (
        <p class="quiet">{say(wording.noAlarms)}</p>
      ) : (
        <ul class="device-alarms">
          {alarms.map((alarm) => {
            const why = alarmDetail(alarm);
            return (
              <li key={alarm.key} data-tone={alarm.severity}>
                {why === null ? alarmWords(alarm) : say(wording.alarmWhy, alarmWords(alarm), why)}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}

/** Why the report is not of now; `null` where it is. */
function healthStale({ board: { status, health }, state }: Row, isConnected: boolean): string | null {
  if (!isConnected || state !== "online") {
    return say(common.stale, say(common.staleNotLive));
  }
  return health && health.bootId !== status?.bootId ? say(common.stale, say(wording.earlierStart)) : null;
}

function Known({ row, asker, now }: { row: Row; asker: Asker; now: number }) {
  const { link, config } = useSession();
  const { health, model } = row.board;
  const away = awayWords(row.state, link.isConnected);
  return (
    <>
      <div class="device-cards">
        <BoardCard row={row} now={now} broker={showable(config.url ?? "")} isConnected={link.isConnected} />
        <AlarmsCard {...row} />
        <CommandsCard asker={asker} away={away} />
        <ModelCard asker={asker} away={away} model={model} />
      </div>
      {health ? (
        <>
          <p class="device-report">
            {say(wording.asOf, say(boardWording.seenByOwnClock, local().time(health.at)))}{" "}
            <Stale why={healthStale(row, link.isConnected)} />
          </p>
          <div class="device-cards">
            <HealthCards health={health} />
          </div>
        </>
      ) : (
        <p class="device-report quiet">{say(wording.waiting)}</p>
      )}
    </>
  );
}

export function DeviceView() {
  const { asker, station } = useSession();
  const now = useNow(PAUSE_MS);
  const { row, problems } = useBoard(station?.device ?? "", now);
  if (!row || !asker) {
    return <p class="card quiet">{say(station?.heard(now) ? common.deviceUnknown : common.deviceAwaited)}</p>;
  }
  return (
    <>
      {problems.length > 0 && <p class="device-report quiet">{problems.join(" ")}</p>}
      <Known row={row} asker={asker} now={now} />
    </>
  );
}
