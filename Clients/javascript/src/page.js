import { listen } from './environment.js';

/**
 * What happens to the page and to the machine's network: a laptop is opened, a tab comes to the front, a
 * page comes back out of the browser's cache. Where there is no page, nothing ever happens.
 *
 * @param {object} environment
 * @param {Record<'online' | 'offline' | 'pagehide' | 'pageshow' | 'visible' | 'hidden', () => void>} on what to do
 */
export function watchPage({ window, document, navigator }, on) {
  const isHidden = () => document?.visibilityState === 'hidden';
  const ends = [
    ...['online', 'offline', 'pagehide', 'pageshow'].map((type) => listen(window, type, on[type])),
    listen(document, 'visibilitychange', () => (isHidden() ? on.hidden() : on.visible())),
  ];
  return {
    isHidden,
    isOffline: () => navigator?.onLine === false,
    stop: () => ends.forEach((end) => end()),
  };
}
