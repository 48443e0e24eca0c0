import lodash from 'lodash';

const settings = { theme: 'light', limits: { rows: 100 } };

export function apply(patch) {
  return lodash.merge(settings, patch);
}
