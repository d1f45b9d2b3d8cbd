// The table of the fleet. On a narrow screen each row is a card, and every figure carries its name.

import type { ComponentChildren } from "preact";

import { dropped } from "../alarms";
import { bytesWords, cameraWords, modelWords, seenWords, stateWords, updateWords } from "../board/words";
import { alarmDetail, alarms as alarmWording, alarmWords, throttlingWords } from "../catalogue/alarms";
import { board as boardWording } from "../catalogue/board";
import { common } from "../catalogue/common";
import { fleet as wording } from "../catalogue/fleet";
import { say, type Phrase } from "../catalogue/phrase";
import type { Row } from "../fleet";
import { addressOfDevice } from "../router";
import { percentWords } from "../slide/words";
import { Pill } from "../ui/pill";

interface CellProps {
  name: Phrase<string>;
  /** Whether it says nothing out of the ordinary: then a card leaves it out. */
  plain?: boolean;
  children: ComponentChildren;
}

/** The roles are said anew, because some browsers forget what a table is once it is drawn as cards. */
function Cell({ name, plain, children }: CellProps) {
  return (
    <td role="cell" data-name={say(name)} class={plain ? "fleet-plain" : ""}>
      <div>{children}</div>
    </td>
  );
}

function Alarms({ alarms }: Row) {
  if (alarms.length === 0) {
    return <span class="quiet">{say(wording.noAlarms)}</span>;
  }
  return (
    <ul class="fleet-alarms">
      {alarms.map((alarm) => (
        <li key={alarm.key} data-tone={alarm.severity} title={alarmDetail(alarm) ?? undefined}>
          {alarmWords(alarm)}
        </li>
      ))}
    </ul>
  );
}

function Slide({ board: { slide } }: Row) {
  if (!slide) {
    return <span class="quiet">{say(wording.noSlide)}</span>;
  }
  const percent = slide.parasitemia ? percentWords(slide.parasitemia) : say(wording.noCells);
  return (
    <>
      <div class="fleet-name">{slide.id}</div>
      <div>{say(wording.slideOf, percent, say(slide.closedAt ? wording.closed : wording.slideStates[slide.state]))}</div>
    </>
  );
}

function Queue({ board: { health } }: Row) {
  return health ? (
    <>{say(wording.pending, health.store.pending, bytesWords(health.store.pendingBytes))}</>
  ) : (
    <span class="quiet">{say(common.unknown)}</span>
  );
}

function Drops({ board: { health } }: Row) {
  if (!health) {
    return <span class="quiet">{say(common.unknown)}</span>;
  }
  return dropped(health.drops) === 0 ? (
    <span class="quiet">{say(wording.noDrops)}</span>
  ) : (
    <>{say(alarmWording.drops, health.drops)}</>
  );
}

function Machine({ board: { health } }: Row) {
  const temperature = health?.temperatureC ?? null;
  const causes = health?.throttled ?? [];
  return (
    <>
      <div>
        {temperature === null ? (
          <span class="quiet">{say(common.unknown)}</span>
        ) : (
          say(boardWording.celsius, Math.round(temperature))
        )}
      </div>
      {causes.length > 0 && <div>{throttlingWords(causes)}</div>}
    </>
  );
}

function Program({ board: { status, model } }: Row) {
  const current = model?.current ?? status?.model;
  // One that has long been at work is the model that is named anyway.
  const update = model?.update?.state === "installed" ? null : model && updateWords(model);
  return (
    <>
      <div>{status?.version}</div>
      {current && <div>{modelWords(current.name, current.version)}</div>}
      {update && (
        <div class="fleet-update" data-tone={update.tone}>
          {update.text}
        </div>
      )}
    </>
  );
}

const COLUMNS = [
  wording.device,
  wording.alarms,
  wording.slide,
  wording.camera,
  wording.queue,
  wording.drops,
  wording.temperature,
  wording.program,
];

export function FleetTable({ rows, now, isConnected }: { rows: readonly Row[]; now: number; isConnected: boolean }) {
  return (
    <table class="fleet-table" role="table" aria-label={say(wording.table)}>
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map((name) => (
            <th key={name.en} role="columnheader" scope="col">
              {say(name)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          // What is old looks old: of a board that is not there, all but its name and state is.
          <tr key={row.board.name} role="row" class={isConnected && row.state === "online" ? "" : "fleet-away"}>
            <th role="rowheader" scope="row">
              <a class="fleet-link" href={addressOfDevice(location.search, row.board.name)}>
                {row.board.name}
              </a>
              <Pill saying={stateWords(row.state, isConnected)} />
              <div class="fleet-seen">
                {row.seen ? say(wording.heard, seenWords(row.seen, now)) : seenWords(null, now)}
              </div>
            </th>
            <Cell name={wording.alarms} plain={row.alarms.length === 0}>
              <Alarms {...row} />
            </Cell>
            <Cell name={wording.slide} plain={!row.board.slide}>
              <Slide {...row} />
            </Cell>
            <Cell name={wording.camera} plain={row.camera === null || row.camera === "running"}>
              {row.camera === null ? (
                <span class="quiet">{say(common.unknown)}</span>
              ) : (
                <span class="fleet-camera" data-tone={cameraWords(row.camera).tone}>
                  {cameraWords(row.camera).text}
                </span>
              )}
            </Cell>
            <Cell name={wording.queue} plain={!row.board.health?.store.pending}>
              <Queue {...row} />
            </Cell>
            <Cell name={wording.drops} plain={!row.board.health || dropped(row.board.health.drops) === 0}>
              <Drops {...row} />
            </Cell>
            <Cell name={wording.temperature} plain={row.board.health?.temperatureC == null}>
              <Machine {...row} />
            </Cell>
            <Cell name={wording.program}>
              <Program {...row} />
            </Cell>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
